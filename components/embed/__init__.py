"""Stage embed: the encoder and two baselines embed every image."""
