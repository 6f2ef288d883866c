"""One retraining: when it begins, the challenger, the gate."""
