"""A network that makes features of an image: its parameters, how it is built and how it is saved."""
