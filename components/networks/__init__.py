"""Encoders, and decoders that mirror them. Tensors and numbers only."""
