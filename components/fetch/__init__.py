"""The stage fetch turns the sources' images into one checked store."""
