"""Input files: found, identified, opened and read."""
