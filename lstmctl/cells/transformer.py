"""A causal Transformer layer that remembers the last steps in a cache: not a recurrent cell, but the usual alternative.

    u = x (or W x + b if the widths differ)
    q, k, v = W LN(u) for each head, with q and k turned by angles that grow with the position (rotary)
    a_t = Σ_s softmax_s(q_t·k_s / √d) v_s    over step t and the `context` steps before it
    r = u + W a
    h = r + W GELU(W LN(r) + b) + b

The state is the cache of keys (not yet turned) and values, and how many of them there are. Only differences of
positions matter, so they are counted from the start of the cache.

Source: A. Vaswani et al., "Attention Is All You Need", NeurIPS 2017; norm first after R. Xiong et al., "On Layer
    Normalization in the Transformer Architecture", ICML 2020; J. Su et al., "RoFormer: Enhanced Transformer with Rotary
    Position Embedding" (2021); the cache after Z. Dai et al., "Transformer-XL", ACL 2019
Parameters: 12h² + 10h (with an expansion of 4), and h(x + 1) where x ≠ h
In time: parallel, by attention; generation reads the cache
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from lstmctl.cells.cell import Cell, CellOptions, State, Step
from lstmctl.cells.drawing import draw_weights

LONGEST_WAVE = 10_000.0
"""The slowest rotation takes 2π times this many steps."""


class TransformerOptions(CellOptions):
    """`heads`; `context`: steps that a step attends to besides itself; `expansion`: width of the inner layer of the
    feed-forward part, in multiples of the width."""

    heads: Annotated[int, Field(ge=1, le=1024)] = 4
    context: Annotated[int, Field(ge=1, le=100_000)] = 256
    expansion: Annotated[int, Field(ge=1, le=64)] = 4


class Transformer(Cell):
    """Attention to the last steps, and a feed-forward network."""

    states = ("keys", "values", "cached")
    opened = ()
    path = "attention"
    Options: ClassVar[type[CellOptions]] = TransformerOptions

    def __init__(self, inputs: int, hidden: int, options: TransformerOptions) -> None:
        super().__init__(inputs, hidden, options)
        self.heads, self.context = options.heads, options.context
        inner = options.expansion * hidden
        self.widen = nn.Linear(inputs, hidden) if inputs != hidden else nn.Identity()
        self.before_attention, self.before_feed = nn.LayerNorm(hidden), nn.LayerNorm(hidden)
        self.attend = nn.Linear(hidden, 3 * hidden, bias=False)
        self.join = nn.Linear(hidden, hidden)
        self.expand, self.reduce = nn.Linear(hidden, inner), nn.Linear(inner, hidden)

    @classmethod
    def multiple(cls, options: CellOptions) -> int:
        assert isinstance(options, TransformerOptions)
        return 2 * options.heads  # a rotation turns pairs of features

    def initialise(self, generator: torch.Generator) -> None:
        """Draw matrices by `draw_weights`; divide those that end a residual branch by 3."""
        with torch.no_grad():
            for module in self.modules():
                if isinstance(module, nn.Linear):
                    draw_weights(module.weight, None, generator)
                    if module in (self.join, self.reduce):
                        module.weight.div_(3)
                    if module.bias is not None:
                        module.bias.zero_()
                elif isinstance(module, nn.LayerNorm):
                    module.reset_parameters()

    def initial_state(self, batch: int, like: Tensor) -> State:
        """Return an empty cache: zeros (batch, context, hidden) for keys and values, and counts (batch, 1, 1) of 0."""
        cache = batch, self.context, self.hidden
        return like.new_zeros(cache), like.new_zeros(cache), like.new_zeros(batch, 1, 1)

    def step(self, projected: Tensor, state: State) -> Step:
        output, state = self._chunk(projected.unsqueeze(0), state)
        return Step(output[0], state, {})

    def sequence(self, input: Tensor, state: State, mask: Tensor | None = None) -> tuple[Tensor, State]:
        """Compute the sequence in chunks of the cache's length, at least 64 steps."""
        if mask is not None:
            return super().sequence(input, state, mask)
        outputs = []
        for chunk in input.split(max(self.context, 64)):
            output, state = self._chunk(chunk, state)
            outputs.append(output)
        return torch.cat(outputs), state

    def _chunk(self, input: Tensor, state: State) -> tuple[Tensor, State]:
        before_keys, before_values, cached = state
        steps, context = len(input), self.context
        residual = self.widen(input).transpose(0, 1)  # (batch, time, hidden)
        query, key, value = self.attend(self.before_attention(residual)).chunk(3, dim=-1)
        keys = torch.cat([before_keys.to(key.dtype), key], dim=1)
        values = torch.cat([before_values.to(value.dtype), value], dim=1)
        after = keys[:, -context:], values[:, -context:], (cached + steps).clamp(max=context)
        if input.device.type == "cpu":  # leave out what no lane has filled; on a GPU, asking would wait for it
            unused = context - int(cached.max())
            keys, values = keys[:, unused:], values[:, unused:]
        position = torch.arange(keys.shape[1], device=input.device)
        now = position[-steps:].unsqueeze(1)
        reached = (position <= now) & (position >= now - context)
        reached = reached & (position >= keys.shape[1] - steps - cached)  # (batch, time, keys)
        query, key, value = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in (query, keys, values))
        attended = functional.scaled_dot_product_attention(
            _turned(query, position[-steps:]), _turned(key, position), value, attn_mask=reached.unsqueeze(1)
        )
        residual = residual + self.join(attended.transpose(1, 2).flatten(2))
        fed = self.reduce(functional.gelu(self.expand(self.before_feed(residual))))
        return (residual + fed).transpose(0, 1), after


def _turned(features: Tensor, position: Tensor) -> Tensor:
    """Turn pairs of features (…, time, d) by angles that grow with the position (time,), fast for the first pairs."""
    half = features.shape[-1] // 2
    exact = torch.promote_types(features.dtype, torch.float32)
    rates = LONGEST_WAVE ** -(torch.arange(half, device=features.device, dtype=exact) / half)
    angles = position.unsqueeze(1) * rates
    cosine, sine = angles.cos().to(features.dtype), angles.sin().to(features.dtype)
    first, second = features.chunk(2, dim=-1)
    return torch.cat([first * cosine - second * sine, second * cosine + first * sine], dim=-1)
