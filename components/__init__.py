"""The stages of the pipeline: one module each, files in, files out."""
