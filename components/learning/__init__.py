"""The room that holds what any training shares, whatever its objective. It knows tensors and numbers only."""
