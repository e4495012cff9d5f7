"""The growth pipeline: raw user events in, eleven analytics tables out."""

__version__ = "0.2.0"
