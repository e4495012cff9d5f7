"""Rules: what the columns and values of other tools' exports mean, and how that is applied."""
