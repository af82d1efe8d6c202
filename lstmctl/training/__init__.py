"""The training loop as a generator of events, and its parts: optimisation, precision, devices, processes."""
