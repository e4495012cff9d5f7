"""From checked options to a running graph, and what is watched and left behind."""
