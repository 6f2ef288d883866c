"""Retrains the encoder once: decides when to begin, trains the challenger, and asks the gate."""
