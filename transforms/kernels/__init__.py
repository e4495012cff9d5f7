"""Pure functions over Arrow tables and NumPy arrays; nothing here imports Beam."""
