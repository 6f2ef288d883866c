"""What judges features by labels: labelled features, draws and statistics, and the logistic regression."""
