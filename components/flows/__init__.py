"""The parameters of the pipelines that run the stages; no stage depends on them."""
