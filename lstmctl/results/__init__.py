"""What the commands and functions of lstmctl come to: frozen, typed, and free of torch."""
