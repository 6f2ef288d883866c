"""The stage select: which images to label next, and their pictures beside the list of them."""
