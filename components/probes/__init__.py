"""What frozen features are worth: classifiers and statistics on them. Tensors and numbers only."""
