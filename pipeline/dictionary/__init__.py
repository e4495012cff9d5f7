"""The data dictionary, docs/tables.md."""
