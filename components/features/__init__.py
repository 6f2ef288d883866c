"""The room that uses an encoder: it loads it, feeds it with images, and writes and reads its embeddings."""
