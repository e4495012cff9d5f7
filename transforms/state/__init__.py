"""State tables: what a warehouse keeps, beside the marts, for the runs to come."""
