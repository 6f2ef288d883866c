"""How an encoder is trained, whatever the objective: views, feeds, optimisers, loop. Tensors and numbers only."""
