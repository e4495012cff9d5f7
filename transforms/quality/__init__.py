"""The house of checks: what can be asked of a table, how it is evaluated and reported."""
