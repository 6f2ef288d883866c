"""What features are worth: a file for each probe, loaded by its name."""
