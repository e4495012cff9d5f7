"""Attacks on the pipeline with random input, kills, full disks and changing clocks: `make fuzz`."""
