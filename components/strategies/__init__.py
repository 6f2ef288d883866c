"""The strategies by which images are chosen, a file each; the stage select loads one by name."""
