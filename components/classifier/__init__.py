"""The stage classifier: the encoder and a logistic head as one network from pixels to probabilities."""
