"""What can be trained: BYOL, and what else is measured beside it. Tensors and numbers only."""
