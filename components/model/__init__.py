"""The encoder as files: written by one stage, read by others and by other programs."""
