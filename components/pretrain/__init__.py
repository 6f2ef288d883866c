"""The stage pretrain, which trains an encoder on the store's images."""
