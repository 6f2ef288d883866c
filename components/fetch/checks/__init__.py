"""The checks of what is wrong with images, and of what becomes of them."""
