"""Tests against real servers on loopback, and what installs and starts them."""
