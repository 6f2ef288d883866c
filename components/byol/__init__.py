"""The method: views, networks, loss, schedules, optimiser, training loop. Tensors and numbers only."""
