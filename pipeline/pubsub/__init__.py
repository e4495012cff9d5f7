"""Pub/Sub: its resources, reading on this machine, publishing."""
