"""The stage index makes the images searchable by their features, and opens what it wrote."""
