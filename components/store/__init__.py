"""The room that writes and reads the Parquet store of images and decodes them."""
