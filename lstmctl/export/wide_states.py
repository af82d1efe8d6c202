"""Equations of the bundled cells whose states are not vectors, which cannot be read from their `step`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
from torch import nn

from lstmctl.cells.cell import Cell
from lstmctl.cells.mlstm import MLSTM
from lstmctl.cells.tcn import TemporalConvolution
from lstmctl.cells.transformer import LONGEST_WAVE, Transformer
from lstmctl.export.graph import Body, Value
from lstmctl.export.modules import gelu, layer_norm, linear, numbers
from lstmctl.export.tracing import LOWEST

Stepped: TypeAlias = tuple[Value, list[Value], dict[str, Value]]
"""Output, new state, and gates by name."""


def _mlstm(cell: MLSTM, body: Body, x: Value, state: list[Value], suffix: str) -> Stepped:
    memory, normaliser, stabiliser = state
    heads, width, lead = cell.heads, cell.width, x.shape[:-1]
    wide = linear(body, cell.input, x, f"input{suffix}")
    q, k, v, o = (
        body.reshape(body.slice(wide, place * cell.hidden, (place + 1) * cell.hidden), (*lead, heads, width))
        for place in range(4)
    )
    both = linear(body, cell.gates_of_heads, x, f"gates{suffix}")
    log_i, f = (
        body.reshape(body.slice(both, place * heads, (place + 1) * heads), (*lead, heads, 1)) for place in (0, 1)
    )
    f, o = body.unary("sigmoid", f), body.unary("sigmoid", o)
    kept = body.unary("log", f) + stabiliser
    largest = body.binary("max", kept, log_i, f"largest{suffix}")
    i, keeping = body.unary("exp", log_i - largest), body.unary("exp", kept - largest)
    written = i * (k / math.sqrt(width))
    columns, rows = (*lead, heads, width, 1), (*lead, heads, 1, width)
    keeping_all = body.reshape(keeping, (*lead, heads, 1, 1))
    memory = keeping_all * memory + body.reshape(written, columns) * body.reshape(v, rows)
    normaliser = keeping * normaliser + written
    read = body.reshape(body.reduce("sum", body.reshape(q, columns) * memory, -2), (*lead, heads, width))
    size = body.unary("abs", body.reduce("sum", q * normaliser, -1))
    hidden = o * read / body.binary("max", size, body.unary("exp", -largest))
    gates = {"i": i, "f": f, "o": o}
    return body.reshape(hidden, (*lead, cell.hidden)), [memory, normaliser, largest], gates


def _transformer(cell: Transformer, body: Body, x: Value, state: list[Value], suffix: str) -> Stepped:
    keys, values, cached = state
    heads, context, lead, before = cell.heads, cell.context, x.shape[:-1], keys.shape[:-2]
    width = cell.hidden // heads
    residual = _widened(body, cell.widen, x, suffix)
    attending = layer_norm(body, cell.before_attention, residual, f"attention{suffix}")
    three = linear(body, cell.attend, attending, f"attend{suffix}")
    query, key, value = (body.slice(three, place * cell.hidden, (place + 1) * cell.hidden) for place in range(3))
    q, k, v = (body.reshape(part, (*lead, 1, heads, width)) for part in (query, key, value))
    # Only differences of positions matter: the cached keys are turned back by their age, and nothing else is turned.
    age = np.arange(-context, 0)[:, np.newaxis, np.newaxis]
    half = width // 2
    angles = age * LONGEST_WAVE ** -(np.arange(half) / half)
    cosine, sine = (
        body.weight(f"{name}_of_age{suffix}", array.astype(np.float32))
        for name, array in (("cosine", np.cos(angles)), ("sine", np.sin(angles)))
    )
    known = body.reshape(keys, (*before, context, heads, width))
    first, second = body.slice(known, 0, half), body.slice(known, half, width)
    turned = body.concat([first * cosine - second * sine, second * cosine + first * sine])
    scores = body.concat([body.reduce("sum", q * one, -1) for one in (turned, k)], -3) / math.sqrt(width)
    # The first places of the cache have not been filled yet.
    place = body.weight(f"places{suffix}", np.arange(context + 1, dtype=np.float32)[:, np.newaxis, np.newaxis])
    empty = body.binary("less", place, context - body.reshape(cached, (*before, 1, 1, 1)))
    scores = body.where(empty, -LOWEST, scores, f"scores{suffix}")
    shares = body.unary("exp", scores - body.reduce("max", scores, -3))
    shares = body.binary("div", shares, body.reduce("sum", shares, -3), f"attention{suffix}")
    stored = body.reshape(values, (*before, context, heads, width))
    attended = body.reduce("sum", body.slice(shares, 0, context, -3) * stored, -3)
    attended = body.reshape(attended + body.slice(shares, context, context + 1, -3) * v, (*lead, cell.hidden))
    residual = residual + linear(body, cell.join, attended, f"join{suffix}")
    feeding = layer_norm(body, cell.before_feed, residual, f"feed{suffix}")
    inner = gelu(body, linear(body, cell.expand, feeding, f"expand{suffix}"))
    output = residual + linear(body, cell.reduce, inner, f"reduce{suffix}")
    after = [_moved_up(body, old, body.reshape(new, (*lead, 1, cell.hidden)), -2)
             for old, new in ((keys, key), (values, value))]  # fmt: skip
    return output, [*after, body.binary("min", cached + 1.0, float(context))], {}


def _tcn(cell: TemporalConvolution, body: Body, x: Value, state: list[Value], suffix: str) -> Stepped:
    (past,) = state
    lead, before = x.shape[:-1], past.shape[:-2]
    block = inner = _widened(body, cell.widen, x, suffix)
    after, start = [], 0
    for number, (convolution, reach) in enumerate(zip(cell.convolutions, cell.reaches, strict=True)):
        assert isinstance(convolution, nn.Conv1d)
        assert convolution.bias is not None
        own = body.slice(past, start, start + reach)
        start += reach
        after.append(_moved_up(body, own, body.reshape(inner, (*lead, cell.hidden, 1)), -1))
        *weights, last = convolution.weight.unbind(-1)
        total = body.linear(
            inner,
            body.weight(f"W_{number}{suffix}", numbers(last)),
            body.weight(f"b_{number}{suffix}", numbers(convolution.bias)),
        )
        for back, weight in enumerate(weights):
            at = back * convolution.dilation[0]
            column = body.reshape(body.slice(own, at, at + 1), (*before, cell.hidden))
            table = body.weight(f"W_{number}_{len(weights) - back}_back{suffix}", numbers(weight))
            total = total + body.linear(column, table)
        inner = body.unary("relu", total)
        if number % 2 == 1:
            block = inner = body.unary("relu", block + inner)
    return block, [body.concat(after)], {}


EQUATIONS: Mapping[type[Cell], Callable[[Any, Body, Value, list[Value], str], Stepped]] = {
    MLSTM: _mlstm,
    Transformer: _transformer,
    TemporalConvolution: _tcn,
}
"""Functions with the arguments and the results of `tracing.traced_step`, by the class of the cell."""


def _moved_up(body: Body, old: Value, new: Value, axis: int) -> Value:
    """Append a step along an axis, and drop the first one."""
    length = old.shape[axis] or 0
    return new if length == 1 else body.concat([body.slice(old, 1, length, axis), new], axis)


def _widened(body: Body, layer: nn.Module, x: Value, suffix: str) -> Value:
    return linear(body, layer, x, f"widen{suffix}") if isinstance(layer, nn.Linear) else x
