"""The training loop as a generator of events, with what it is made of: optimisation, precision, device."""
