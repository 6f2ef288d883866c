"""Versions of the encoder: who is in production, promotion, rollback, what is published."""
