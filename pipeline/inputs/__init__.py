"""Input files: found, told apart, opened and read."""
