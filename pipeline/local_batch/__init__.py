"""A batch on this machine, by worker processes and without Beam."""
