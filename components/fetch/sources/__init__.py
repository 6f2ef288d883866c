"""The readers of images, with one file per kind of source."""
