"""Sequence problems: network, training order, loss and metrics. One file per task."""
