"""The report's page: a file for each kind of thing that it shows."""
