"""The stage evaluate: it hands data to the probes and writes what they measure."""
