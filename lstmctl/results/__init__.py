"""Results of the commands and functions: frozen, typed, and independent of torch."""
