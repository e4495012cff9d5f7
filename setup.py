"""What Beam's --setup_file runs; pyproject.toml holds all that is known of the package."""

from setuptools import setup

setup()
