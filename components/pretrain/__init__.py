"""Stage pretrain: the store's images become an encoder."""
