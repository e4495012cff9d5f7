"""Dead letters corrected, tried again, and counted as if they had been right."""
