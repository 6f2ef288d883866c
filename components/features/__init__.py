"""An encoder put to use: loaded, fed with images, its embeddings written and read."""
