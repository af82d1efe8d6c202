"""Cells for tests of what is around a cell; tests/cells tests every cell itself."""

SOME = ["rnn", "lstm", "gru", "feedforward", "slstm", "lru"]
"""With one, two, several and no states, computed by kernels, step by step and by a scan."""
