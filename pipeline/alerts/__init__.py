"""What needs a person, posted once: `--alert`."""
