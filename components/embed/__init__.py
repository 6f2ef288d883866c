"""The stage embed, which embeds every image with the encoder and two baselines."""
