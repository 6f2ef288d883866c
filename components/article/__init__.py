"""The objective that an article describes under BYOL's name."""
