"""Stage fetch: the sources' images become one checked store."""
