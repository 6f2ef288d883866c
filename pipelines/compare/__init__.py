"""Two revisions compared on the same test images, in pairs."""
