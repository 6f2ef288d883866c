"""The service: it answers over HTTP which images resemble a picture, and of which class it is."""
