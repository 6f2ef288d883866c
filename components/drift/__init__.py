"""The command that tests whether new images look like those that were embedded before; it is not a stage."""
