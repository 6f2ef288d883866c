"""What stands between the stage evaluate and the probes: what is given to them, and what becomes of their answers."""
