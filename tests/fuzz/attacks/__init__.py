"""The attacks, each a module with endless cases."""
