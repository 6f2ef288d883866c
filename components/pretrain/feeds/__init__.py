"""Where the training loop gets its views from."""
