"""Streams on one machine: messages into all tables, a commit for each micro-batch, without Beam."""
