"""One HTML page of growth for people who decide: words, charts, and what is known of the data."""
