"""Keeps the versions of the encoder: which one is in production, promotion, rollback, and what is published."""
