"""The mLSTM: a matrix memory that stores values under keys, with exponential gates that do not see the state.

    q = W_q x + b_q,  k = (W_k x + b_k) / √d,  v = W_v x + b_v    query, key and value of each head, (d,)
    ı̂ = wᵢ·x + bᵢ,  f = σ(w_f·x + b_f)                             one input and forget gate per head
    o = σ(Wₒ x + bₒ)
    m' = max(log f + m, ı̂)                                         stabiliser; it cancels from h
    i = exp(ı̂ − m'),  f ← exp(log f + m − m')
    C' = f C + i k vᵀ                                               memory, (d, d)
    n' = f n + i k                                                  normaliser, (d,)
    h = o ⊙ C'ᵀ q / max(|n'·q|, exp(−m'))

In parallel over the steps of a chunk, with F_t = Σ_{s ≤ t} log f_s: what step s wrote reaches the query of step t ≥ s
with the weight (q_t·k_s) exp(F_t − F_s + ı̂_s), and the memory before the chunk with exp(F_t + m).

Source: M. Beck, K. Pöppel, M. Spanring, A. Auer, O. Prudnikova, M. Kopp, G. Klambauer, J. Brandstetter & S. Hochreiter,
    "xLSTM: Extended Long Short-Term Memory", NeurIPS 2024, section 2.3, with the sigmoid forget gate
Parameters: 4h(x + 1) + 8(x + 1) (with 4 heads)
In time: parallel within chunks of 64 steps
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from lstmctl.cells.cell import Cell, CellOptions, State, Step
from lstmctl.cells.drawing import draw_weights

CHUNK = 64
"""Steps; the work grows with it, the number of operations falls."""


class MLSTMOptions(CellOptions):
    """`heads`: number of matrices, into which the width is divided."""

    heads: Annotated[int, Field(ge=1, le=1024)] = 4


class MLSTM(Cell):
    """C' = f C + i k vᵀ; h = o ⊙ C'ᵀ q / max(|n'·q|, exp(−m'))."""

    states = ("memory", "normaliser", "stabiliser")
    opened = ()
    gates = ("i", "f", "o")
    keeps = "f"
    path = "chunks"
    Options: ClassVar[type[CellOptions]] = MLSTMOptions

    def __init__(self, inputs: int, hidden: int, options: MLSTMOptions) -> None:
        super().__init__(inputs, hidden, options)
        self.heads, self.width = options.heads, hidden // options.heads
        self.input = nn.Linear(inputs, 4 * hidden)
        self.gates_of_heads = nn.Linear(inputs, 2 * options.heads)

    @classmethod
    def multiple(cls, options: CellOptions) -> int:
        assert isinstance(options, MLSTMOptions)
        return options.heads

    def initialise(self, generator: torch.Generator) -> None:
        """Draw weights by `draw_weights`; the gates of the heads start without weights, as in the paper's code, and the
        biases of their forget gates evenly from 3 to 6: memories of 20 to 400 steps."""
        draw_weights(self.input.weight, None, generator)
        with torch.no_grad():
            self.input.bias.zero_()
            self.gates_of_heads.weight.zero_()
            self.gates_of_heads.bias.zero_()
            self.gates_of_heads.bias[self.heads :] = torch.linspace(3, 6, self.heads)

    def initial_state(self, batch: int, like: Tensor) -> State:
        """Return zeros (batch, heads, d, d), (batch, heads, d) and (batch, heads, 1)."""
        heads = batch, self.heads
        return (
            like.new_zeros(*heads, self.width, self.width),
            like.new_zeros(*heads, self.width),
            like.new_zeros(*heads, 1),
        )

    def project(self, input: Tensor) -> Tensor:
        """Compute q, k, v, o, ı̂ and f̂, (…, inputs) → (…, 4 · hidden + 2 · heads)."""
        return torch.cat([self.input(input), self.gates_of_heads(input)], dim=-1)

    def step(self, projected: Tensor, state: State) -> Step:
        memory, normaliser, stabiliser = state
        q, k, v, log_i, log_f, o = (part[..., 0, :] for part in self._parts(projected.unsqueeze(0), state))
        kept = log_f + stabiliser
        largest = torch.maximum(kept, log_i).detach()  # cancels from h, and so does its gradient
        i, f = (log_i - largest).exp(), (kept - largest).exp()
        memory = f.unsqueeze(-1) * memory + (i * k).unsqueeze(-1) * v.unsqueeze(-2)
        normaliser = f * normaliser + i * k
        read = torch.einsum("bhk,bhkv->bhv", q, memory)
        size = (q * normaliser).sum(-1, keepdim=True).abs()
        hidden = (o * read / torch.maximum(size, (-largest).exp())).flatten(1)
        gates = {"i": i.expand_as(q).flatten(1), "f": log_f.exp().expand_as(q).flatten(1), "o": o.flatten(1)}
        return Step(hidden, (memory, normaliser, largest), gates)

    def sequence(self, input: Tensor, state: State, mask: Tensor | None = None) -> tuple[Tensor, State]:
        """Compute the steps of each chunk at once, unless there is a mask."""
        if mask is not None:
            return super().sequence(input, state, mask)
        outputs = []
        for chunk in self.project(input).split(CHUNK):
            output, state = self._chunk(chunk, state)
            outputs.append(output)
        return torch.cat(outputs), state

    def _chunk(self, projected: Tensor, state: State) -> tuple[Tensor, State]:
        memory, normaliser, stabiliser = state
        q, k, v, log_i, log_f, o = self._parts(projected, state)
        passed = log_f.cumsum(-2)  # F, (batch, heads, time, 1)
        causal = torch.ones(len(projected), len(projected), dtype=torch.bool, device=q.device).tril()
        weights = (passed - (passed - log_i).transpose(-1, -2)).masked_fill(~causal, -torch.inf)
        kept = passed + stabiliser.unsqueeze(-2)
        largest = torch.maximum(weights.amax(-1, keepdim=True), kept).detach()
        scores = q @ k.transpose(-1, -2) * (weights - largest).exp()
        kept = (kept - largest).exp()
        read = scores @ v + kept * (q @ memory)
        size = (scores.sum(-1, keepdim=True) + kept * (q @ normaliser.unsqueeze(-1))).abs()
        hidden = (o * read / torch.maximum(size, (-largest).exp())).permute(2, 0, 1, 3).flatten(2)
        last = largest[..., -1:, :]
        written = k * (passed[..., -1:, :] - passed + log_i - last).exp()
        memory = kept[..., -1:, :] * memory + written.transpose(-1, -2) @ v
        normaliser = kept[..., -1, :] * normaliser + written.sum(-2)
        return hidden, (memory, normaliser, last.squeeze(-2))

    def _parts(self, projected: Tensor, state: State) -> tuple[Tensor, ...]:
        """Return q, k, v (batch, heads, time, d), ı̂ and log f (batch, heads, time, 1), and o like q."""
        wide, gates = projected.to(state[0].dtype).split([4 * self.hidden, 2 * self.heads], dim=-1)
        q, k, v, o = wide.unflatten(-1, (4, self.heads, self.width)).permute(2, 1, 3, 0, 4)
        log_i, f = gates.unflatten(-1, (2, self.heads, 1)).permute(2, 1, 3, 0, 4)
        return q, k / self.width**0.5, v, log_i, functional.logsigmoid(f), torch.sigmoid(o)
