"""What can be wrong with images, and what becomes of it."""
