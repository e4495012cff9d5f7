"""The Beam steps around a warehouse: staging rows, and committing what is staged."""
