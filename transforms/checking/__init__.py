"""Running checks: bound to their tables, as SQL, over Arrow tables, and what they come to."""
