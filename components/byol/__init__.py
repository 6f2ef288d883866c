"""BYOL, and nothing else."""
