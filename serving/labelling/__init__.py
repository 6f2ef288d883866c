"""Labelling on the page: which image comes next, what a label is worth, and the file that keeps the labels."""
