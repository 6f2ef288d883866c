"""The report's page: each file makes one kind of content that it shows."""
