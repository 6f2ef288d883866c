"""The pipeline: a stage is a folder, and what several stages stand on are folders of their own."""
