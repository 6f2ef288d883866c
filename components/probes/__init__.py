"""The probes: each file measures what features are worth in its own way, and is loaded by its name."""
