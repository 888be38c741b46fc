"""Integrations with particular hosts and platforms."""
