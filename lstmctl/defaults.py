"""Defaults that the command line and Python share."""

TEMPERATURE = 0.8
"""Of generated text."""
