"""Whether new images look like those that were embedded before. A command of its own, no stage."""
