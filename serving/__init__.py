"""What answers questions about images with an encoder and its classifier."""
