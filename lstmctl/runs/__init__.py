"""The run folder: its files, its lock, its checkpoints as checked bytes. Nothing here knows what a model is."""
