"""Options: what one is, what values they take, those that several commands share."""
