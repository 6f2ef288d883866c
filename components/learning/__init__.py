"""What any training shares, whatever its objective. Tensors and numbers only."""
