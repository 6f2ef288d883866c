"""The Parquet store of images: written, read, decoded."""
