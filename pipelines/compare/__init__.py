"""Compares two revisions in pairs, on the same test images."""
