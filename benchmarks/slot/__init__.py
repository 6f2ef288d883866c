"""Measurements for a GPU that is at hand for minutes: `python -m benchmarks.slot`, the most telling one first."""
