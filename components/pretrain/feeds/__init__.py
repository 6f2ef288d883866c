"""The feeds, from which the training loop gets its pairs of views."""
