"""What a training begins with other than random weights: files of weights are read, and fitted to the network."""
