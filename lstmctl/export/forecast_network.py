"""The network of a forecaster as a graph: segments, a recurrence over them, and a decoding of the horizon; see
`models.forecaster`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from lstmctl.export.graph import Body, Function, Value
from lstmctl.export.layers import Stack
from lstmctl.export.likelihoods import mirrored, points
from lstmctl.export.modules import linear, numbers
from lstmctl.models.forecaster import Forecaster
from lstmctl.models.refinement import Refinement
from lstmctl.tasks.forecast import Forecast


class Network:
    """One network of an ensemble.

    Args:
        model: with its weights.
        task: the run's.
        functions, weights: of the predictor.
        prefix: of the names of weights.
    """

    def __init__(
        self,
        model: Forecaster,
        task: Forecast,
        functions: dict[str, Function],
        weights: dict[str, NDArray[Any]],
        prefix: str,
    ) -> None:
        self.model, self.task, self.functions, self.weights, self.prefix = model, task, functions, weights, prefix
        self.sizes = model.sizes
        self.stack = Stack(model.recurrence, functions, weights, prefix)

    def outputs(
        self, body: Body, values: Value, seen: Value | None, past: Value | None, known: Value | None,
        static: Value | None,
    ) -> Value:  # fmt: skip
        """Return the outputs (horizon, channels, outputs) for a window of normalised values (lookback, channels)."""
        sizes, model = self.sizes, self.model
        context = self.context(body, static)
        ahead = sizes.segment if model.decoding == "recursive" else 0
        features = [self.lanes_of_values(body, values)]
        if seen is not None:
            features.append(self.lanes_of_values(body, seen))
        if past is not None:
            features.append(_shared(body, past))
        if known is not None:
            features.append(_shared(body, body.slice(known, ahead, ahead + sizes.lookback, axis=0)))
        rows = body.concat(features)
        embedded = self.embedded(body, model.input_map, "input", rows, context)
        output, states = self.stack.whole(body, embedded)
        count = sizes.lookback // sizes.segment
        last = body.slice(output, count - 1, count, axis=0)
        last = body.reshape(last, last.shape[1:], "last_output")
        future = None if known is None else body.slice(known, sizes.lookback, sizes.lookback + sizes.horizon, axis=0)
        match model.decoding:
            case "last":
                found = self.from_last(body, last, future)
            case "parallel" | "refined":
                found = self.from_queries(body, states, future, context)
            case _:
                found = self.step_by_step(body, values, last, states, future, context)
        if model.linear is not None:
            found = self.with_linear(body, values, found)
        return found if model.refinement is None else self.refined(body, model.refinement, found)

    def with_linear(self, body: Body, values: Value, found: Value) -> Value:
        sizes, model = self.sizes, self.model
        assert model.linear is not None
        mapped = linear(body, model.linear, body.transpose(values, (1, 0)), self.prefix + "linear")
        mapped = body.reshape(body.transpose(mapped, (1, 0)), (sizes.horizon, sizes.channels, 1))
        locations, outputs = model.likelihood.locations, found.shape[-1] or 0
        moved = body.slice(found, 0, locations) + mapped
        return body.concat([moved, body.slice(found, locations, outputs)]) if outputs > locations else moved

    def refined(self, body: Body, refinement: Refinement, found: Value) -> Value:
        """Correct the outputs (horizon, channels, outputs) by a recurrence over the channels."""
        horizon, channels, outputs = self.sizes.horizon, self.sizes.channels, self.model.likelihood.outputs
        prefix = self.prefix + "refinement"
        flat = body.reshape(body.transpose(found, (1, 0, 2)), (channels, horizon * outputs))
        vectors = linear(body, refinement.input_map, flat, f"{prefix}_input")
        begin = body.weight(f"begin_{prefix}", numbers(refinement.begin)[None])
        steps = body.concat([begin, vectors], 0)
        views = [body.reshape(view, (channels + 1, 1, steps.shape[1])) for view in (steps, body.reverse(steps))]
        stack = Stack(refinement.recurrence, self.functions, self.weights, prefix)
        hidden, _ = stack.whole(body, body.concat(views, 1))
        hidden = body.slice(hidden, 1, channels + 1, axis=0)
        both = body.reshape(hidden, (channels, 2 * refinement.recurrence.outputs))
        correction = linear(body, refinement.head, both, f"{prefix}_head")
        correction = body.transpose(body.reshape(correction, (channels, horizon, outputs)), (1, 0, 2))
        return found + correction

    def mirrored(self, body: Body, outputs: Value) -> Value:
        return mirrored(body, self.model.likelihood, outputs)

    def context(self, body: Body, static: Value | None) -> Value | None:
        """Return the features shared by all steps, (lanes or 1, embedding)."""
        model, found = self.model, None
        if model.static_map is not None:
            assert static is not None
            found = linear(body, model.static_map, static, self.prefix + "static")
            found = body.reshape(found, (1, *found.shape))
        if model.channel is not None and model.decoding in ("recursive", "encoder-decoder"):
            channel = self.weight(body, "channel", model.channel)
            found = channel if found is None else found + channel
        return found

    def from_last(self, body: Body, last: Value, future: Value | None) -> Value:
        if self.model.future_map is not None:
            assert future is not None
            flat = body.reshape(future, (1, self.sizes.horizon * self.sizes.known))
            last = last + linear(body, self.model.future_map, flat, self.prefix + "future")
        if self.model.channel is not None:
            last = last + self.weight(body, "channel", self.model.channel)
        return self.batched(body, self.read_head(body, last, self.sizes.horizon))

    def from_queries(self, body: Body, states: list[list[Value]], future: Value | None, context: Value | None) -> Value:
        sizes, model = self.sizes, self.model
        count = sizes.horizon // sizes.segment
        queries = body.reshape(self.weight(body, "position", model.position), (count, 1, model.position.shape[1]))
        if model.channel is not None:
            queries = queries + self.weight(body, "channel", model.channel)
        if model.future_map is not None:
            assert future is not None
            segments = body.reshape(future, (count, 1, sizes.segment * sizes.known))
            queries = queries + linear(body, model.future_map, segments, self.prefix + "future")
        if context is not None:
            queries = queries + context
        output, _ = self.stack.step(body, queries, states)
        head = linear(body, model.head, output, self.prefix + "head")
        shape = (count, model.sequences, sizes.segment, model.width, model.likelihood.outputs)
        outputs = body.transpose(body.reshape(head, shape), (0, 2, 1, 3, 4))
        return body.reshape(outputs, (sizes.horizon, sizes.channels, model.likelihood.outputs), "outputs")

    def step_by_step(
        self,
        body: Body,
        values: Value,
        last: Value,
        states: list[list[Value]],
        future: Value | None,
        context: Value | None,
    ) -> Value:
        """Decode one segment after another, each fed with the forecast of the previous one."""
        sizes, model = self.sizes, self.model
        rows, count = sizes.segment, sizes.horizon // sizes.segment
        # If no values are known in advance, the scan runs over the numbers of the segments.
        along = body.weight("segments", np.arange(count, dtype=np.float32)[:, None])
        if future is not None:
            along = body.reshape(future, (count, rows, 1, sizes.known))
        flat = [part for layer in states for part in layer]
        done = []
        if model.decoder is None:
            outputs = self.read_head(body, last, rows)
            done.append(body.reshape(outputs, (1, *outputs.shape)))
            fed = self.point(body, outputs)
            if count == 1:
                return self.batched(body, outputs)
            along = body.slice(along, 1, count, axis=0)
        else:
            fed = self.lanes_of_values(body, body.slice(values, sizes.lookback - rows, sizes.lookback, axis=0))
        step = self.decoding_step(along.shape[1:], future is not None, context)
        (found,), _ = body.scan(
            step, [along], [fed, *flat], constants=[] if context is None else [context], name="decoded"
        )
        done.append(found)
        outputs = body.concat(done, 0)
        return self.batched(body, body.reshape(outputs, (sizes.horizon, *outputs.shape[2:])))

    def decoding_step(self, along: tuple[int | None, ...], has_known: bool, context: Value | None) -> Function:
        sizes, model = self.sizes, self.model
        own = (
            self.stack
            if model.decoder is None
            else Stack(model.decoder, self.functions, self.weights, f"{self.prefix}decoder")
        )
        body = Body(f"{self.prefix}decode", "Forecast a segment from the one before.", self.weights)
        known = body.input("segment", along, "values known in advance")
        given = None if context is None else body.input("context", context.shape, "the same for every step")
        lanes = (model.sequences,)
        fed = body.input("fed", (sizes.segment, *lanes, model.width), "the segment before")
        states = own.state_inputs(body, lanes)
        parts = [fed]
        if model.decoder is None and model.masked:
            parts.append(fed * 0.0 + 1.0)
        if model.decoder is None and sizes.past:  # unknown in the future; 0 is its mean over the training rows
            parts.append(body.weight("no_past", np.zeros((sizes.segment, 1, sizes.past), np.float32)))
        if has_known:
            parts.append(known)
        layer, name = (model.input_map, "input") if model.decoder is None else (model.decoder_map, "decoder")
        embedded = self.embedded(body, layer, name, body.concat(parts), given)
        output, after = own.step(body, body.reshape(embedded, embedded.shape[1:]), states)
        outputs = self.read_head(body, output, sizes.segment)
        body.output("outputs", outputs, "the network's outputs")
        body.output("fed", self.point(body, outputs), "the forecast of the segment")
        own.state_outputs(body, after)
        self.functions[body.name] = body.function()
        return self.functions[body.name]

    def point(self, body: Body, outputs: Value) -> Value:
        """Return the points (rows, lanes, width) of normalised outputs (rows, lanes, width, outputs)."""
        return points(body, self.model.likelihood, outputs, 0.0, 1.0)

    def embedded(self, body: Body, layer: nn.Linear, name: str, rows: Value, context: Value | None) -> Value:
        """Embed rows (rows, lanes, features) as vectors of their segments (segments, lanes, embedding)."""
        (length, lanes, features), segment = rows.shape, self.sizes.segment
        count = (length or 0) // segment
        cut = body.reshape(rows, (count, segment, lanes, features))
        cut = body.reshape(body.transpose(cut, (0, 2, 1, 3)), (count, lanes, segment * (features or 0)))
        embedded = body.unary("relu", linear(body, layer, cut, self.prefix + name))
        return embedded if context is None else embedded + context

    def lanes_of_values(self, body: Body, values: Value) -> Value:
        return body.reshape(values, (values.shape[0], self.model.sequences, self.model.width))

    def read_head(self, body: Body, hidden: Value, rows: int) -> Value:
        """Map (lanes, hidden) to (rows, lanes, width, outputs)."""
        outputs = linear(body, self.model.head, hidden, self.prefix + "head")
        shape = (self.model.sequences, rows, self.model.width, self.model.likelihood.outputs)
        return body.transpose(body.reshape(outputs, shape), (1, 0, 2, 3))

    def batched(self, body: Body, outputs: Value) -> Value:
        shape: Sequence[int] = (self.sizes.horizon, self.sizes.channels, self.model.likelihood.outputs)
        return body.reshape(outputs, tuple(shape), "outputs")

    def weight(self, body: Body, name: str, parameter: Any) -> Value:
        return body.weight(f"{name}_vectors_{self.prefix}".rstrip("_"), numbers(parameter))


def _shared(body: Body, rows: Value) -> Value:
    """Return rows (rows, features) that all lanes share, (rows, 1, features)."""
    return body.reshape(rows, (rows.shape[0], 1, rows.shape[1]))
