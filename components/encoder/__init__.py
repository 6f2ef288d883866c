"""The room of the encoder, the network that turns an image into features: it is described, built and saved here."""
