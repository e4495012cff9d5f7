"""What a job or a warehouse keeps, as bytes: every version of it is read, the latest is written."""
