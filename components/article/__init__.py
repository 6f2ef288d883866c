"""The room of the objective that an article calls BYOL: its networks, its loss and its settings."""
