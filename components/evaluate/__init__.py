"""Stage evaluate: what is given to the probes and what becomes of their answers."""
