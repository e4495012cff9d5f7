"""Flex Templates: their metadata and container specs, the launcher's file, the deployment."""
