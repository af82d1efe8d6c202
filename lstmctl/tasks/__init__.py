"""The tasks: for each, its network, data order, loss and metrics. One file per task."""
