"""What a sequence problem means: its network, its order of data, its loss and its figures. One file a task."""
