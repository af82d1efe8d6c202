"""The sLSTM: exponential input gates, and a normaliser that keeps the state in bounds.

    ı̂, f̂, z, o = W x + U h + b for each, then f = σ(f̂), z ← tanh(z), o ← σ(o)
    m' = max(log f + m, ı̂)                              stabiliser; it cancels from h'
    i = exp(ı̂ − m'),  f ← exp(log f + m − m')            so that no exponential overflows
    c' = f ⊙ c + i ⊙ z
    n' = f ⊙ n + i                                       normaliser
    h' = o ⊙ c' / n'
    keep = f ⊙ n / n'                                    the share of c/n that comes from the previous step

Source: M. Beck, K. Pöppel, M. Spanring, A. Auer, O. Prudnikova, M. Kopp, G. Klambauer, J. Brandstetter & S. Hochreiter,
    "xLSTM: Extended Long Short-Term Memory", NeurIPS 2024, section 2.2, with one head and the sigmoid forget gate
Parameters: 4h(x + h + 1)
In time: step by step
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from lstmctl.cells.cell import State, Step
from lstmctl.cells.gated import GatedCell

SMALLEST = 1e-30
"""Added to the normaliser, which would be 0 at the first step if its input gate underflows."""


class SLSTM(GatedCell):
    """c' = f ⊙ c + i ⊙ z; n' = f ⊙ n + i; h' = o ⊙ c' / n'."""

    states = ("hidden", "cell", "normaliser", "stabiliser")
    opened = ("hidden",)
    gates = ("i", "f", "z", "o", "keep")
    keeps = "keep"
    retains, writes = 1, 0

    def step(self, projected: Tensor, state: State) -> Step:
        hidden, cell, normaliser, stabiliser = state
        i, f, z, o = (projected + self.recur(hidden)).chunk(4, dim=-1)
        z, o = torch.tanh(z), torch.sigmoid(o)
        log_kept = stabiliser - functional.softplus(-f)  # log σ(f) + m
        with torch.no_grad():  # it cancels from h', and so does its gradient
            largest = torch.maximum(log_kept, i)
        i, f = (i - largest).exp(), (log_kept - largest).exp()
        cell = f * cell + i * z
        kept = f * normaliser
        normaliser = kept + i + SMALLEST
        hidden = o * cell / normaliser
        gates = {"i": i, "f": f, "z": z, "o": o, "keep": kept / normaliser}
        return Step(hidden, (hidden, cell, normaliser, largest), gates)
