"""The growth pipeline: raw user events in, analytics tables out."""

__version__ = "0.2.0"
