"""The tables: one module for each, with its contract and the function that makes its rows."""
