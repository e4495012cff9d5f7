"""People who are taken out of a warehouse, or live on in it under a name that nobody knows."""
