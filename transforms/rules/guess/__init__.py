"""What the fields of an export may mean: rules to start from."""
