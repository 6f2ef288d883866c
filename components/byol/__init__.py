"""The room of the BYOL objective: its networks, its loss and its settings."""
