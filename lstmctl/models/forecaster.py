"""Forecast the rows that follow a window: segments, a recurrence over them, and a decoding of the horizon.

A window's rows are cut into segments of `segment` rows; each segment, through a linear map and a ReLU, is one step of
the recurrence. So a lookback of 720 rows in segments of 24 is 30 steps, not 720 (Lin et al. 2023, SegRNN).

The decodings of the horizon:

- `last`: a linear map from the last state to all rows at once.
- `parallel`: each segment of the horizon has a query, made of its position, its channel and its known future values;
  the *same* recurrence makes one step from the last state on each query. All queries are processed at once (Lin et al.
  2023).
- `refined`: the same, then a second recurrence, over the channels, corrects the forecasts of all channels jointly; see
  `models.refinement`.
- `recursive`: the same recurrence continues, one segment after another, each fed with the forecast of the previous one.
- `encoder-decoder`: a second recurrence continues from the last state in the same way (Sutskever, Vinyals & Le 2014).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from lstmctl.models.categories import CategoryVectors
from lstmctl.models.initialisation import initialise
from lstmctl.models.likelihoods import Likelihood
from lstmctl.models.recurrence import Recurrence
from lstmctl.models.refinement import Refinement
from lstmctl.protocols import ModelState

Decoding = Literal["last", "parallel", "refined", "recursive", "encoder-decoder"]
Feedback = Callable[[Tensor], Tensor]
"""From outputs (rows, lanes, channels per sequence, outputs) to the values fed back."""


@dataclass(frozen=True)
class Sizes:
    """Sizes of a window."""

    lookback: int
    horizon: int
    segment: int
    channels: int
    past: int = 0
    known: int = 0
    static: int = 0


class Window(NamedTuple):
    """Inputs of a forecast; values are normalised, and 0 where missing."""

    values: Tensor
    """(lookback, batch, channels)."""
    seen: Tensor | None
    """(lookback, batch, channels), 1 where a value is present; None if all are."""
    past: Tensor
    """(lookback, batch, past)."""
    known: Tensor
    """(lookback + horizon, batch, known)."""
    static: Tensor
    """(1, batch, static)."""

    def repeated(self, times: int) -> Window:
        """Repeat all windows, one copy of the batch after the other."""
        seen = None if self.seen is None else self.seen.repeat(1, times, 1)
        values, past, known, static = (
            part.repeat(1, times, 1) for part in (self.values, self.past, self.known, self.static)
        )
        return Window(values, seen, past, known, static)


class Forecaster(nn.Module):
    """A forecasting network.

    Args:
        sizes: sizes of the windows.
        make_recurrence: builds a stack for a number of inputs.
        embedding: width of a segment's vector.
        decoding: how the horizon is decoded.
        likelihood: how the outputs are interpreted.
        joint: read all channels as one sequence; otherwise each channel is a separate sequence, with shared weights.
        linear: add a linear map from lookback to horizon, shared by all channels.
        masked: give the network a mask of the values that are present.
        channel_embedding: add an embedding of the channel if channels are independent.
    """

    def __init__(
        self,
        sizes: Sizes,
        make_recurrence: Callable[[int], Recurrence],
        embedding: int,
        decoding: Decoding,
        likelihood: Likelihood,
        *,
        joint: bool,
        linear: bool,
        masked: bool,
        channel_embedding: bool = True,
    ) -> None:
        super().__init__()
        self.sizes, self.decoding, self.likelihood, self.masked = sizes, decoding, likelihood, masked
        self.sequences = 1 if joint else sizes.channels
        """Number of sequences per window."""
        self.width = sizes.channels if joint else 1
        """Channels per sequence."""
        rows, known = sizes.segment, sizes.known
        self.input_map = nn.Linear(rows * (self.width * (2 if masked else 1) + sizes.past + known), embedding)
        self.static_map = nn.Linear(sizes.static, embedding, bias=False) if sizes.static else None
        self.recurrence = make_recurrence(embedding)
        hidden = self.recurrence.outputs
        self.decoder: Recurrence | None = None
        if decoding == "encoder-decoder":
            self.decoder = make_recurrence(embedding)
            self.decoder_map = nn.Linear(rows * (self.width + known), embedding)
        elif decoding in ("parallel", "refined"):
            self.position = nn.Parameter(torch.empty(sizes.horizon // rows, embedding))
            self.future_map = nn.Linear(rows * known, embedding, bias=False) if known else None
        elif decoding == "last":
            self.future_map = nn.Linear(sizes.horizon * known, hidden, bias=False) if known else None
        self.channel = None
        if channel_embedding and self.sequences > 1:
            self.channel = nn.Parameter(torch.empty(self.sequences, hidden if decoding == "last" else embedding))
        reach = sizes.horizon if decoding == "last" else rows
        self.head = nn.Linear(hidden, reach * self.width * likelihood.outputs)
        self.linear = nn.Linear(sizes.lookback, sizes.horizon) if linear else None
        self.refinement: Refinement | None = None
        if decoding == "refined":
            self.refinement = Refinement(sizes.horizon * likelihood.outputs, make_recurrence, embedding)

    def initialise(self, generator: torch.Generator) -> None:
        """Draw all weights from `generator`: maps uniform in ±1/√inputs, embedding vectors standard normal (near zero
        if they are added to a state), the linear map zero."""
        maps = [child for child in self.children() if isinstance(child, nn.Linear) and child is not self.linear]
        initialise(generator, self.recurrence, self.decoder, *maps)
        with torch.no_grad():
            if self.linear is not None:
                self.linear.weight.zero_()
                self.linear.bias.zero_()
            for parameter in self._parameters.values():
                if parameter is not None:
                    parameter.normal_(std=0.02 if self.decoding == "last" else 1.0, generator=generator)
        if self.refinement is not None:
            self.refinement.initialise(generator)

    def begin_as(self, ridge: Tensor) -> None:
        """Set the linear map, if there is one, to (lookback, horizon) weights, and what is added to it to zero."""
        if self.linear is not None:
            with torch.no_grad():
                self.linear.weight.copy_(ridge.T)
                self.head.weight.zero_()
                self.head.bias.zero_()
            if self.refinement is not None:
                self.refinement.begin_as_identity()

    def forward(self, window: Window, target: Tensor | None = None) -> Tensor:
        """Compute outputs (horizon, batch, channels, outputs), in the window's normalised space.

        `target` (horizon, batch, channels), normalised and NaN where missing, replaces the fed-back forecasts of
        `recursive` and `encoder-decoder` (teacher forcing; Williams & Zipser 1989).
        """
        if target is not None and self.decoding in ("recursive", "encoder-decoder"):
            return self._with_linear(self._forced(window, target), window)
        return self.after_lookback(window, *self._encode(window))

    def after_lookback(self, window: Window, output: Tensor, state: ModelState) -> Tensor:
        """Compute the outputs of `forward` from the recurrence's outputs over the lookback (segments, lanes, hidden)
        and its final state."""
        if self.decoding == "last":
            outputs = self._from_last(window, output[-1])
        elif self.decoding in ("parallel", "refined"):
            outputs = self._from_queries(window, state)
        else:
            point = self.likelihood.point
            outputs = self._go_on(window, output, state, lambda outputs: point(self._normalised(outputs)))
        outputs = self._with_linear(outputs, window)
        return outputs if self.refinement is None else self.refinement(outputs)

    def roll_out(self, window: Window, feedback: Feedback) -> Tensor:
        """Compute the outputs of `forward` one segment after another, feeding each with what `feedback` returns for the
        previous one."""
        return self._go_on(window, *self._encode(window), feedback)

    def _go_on(self, window: Window, output: Tensor, state: ModelState, feedback: Feedback) -> Tensor:
        known = self._lanes(window.known[self.sizes.lookback :])
        rows = self.sizes.segment
        decoder = self.recurrence if self.decoder is None else self.decoder
        values = self._lanes_of_values(window.values[-rows:])
        segments = []
        for start in range(0, self.sizes.horizon, rows):
            if start or self.decoder is not None:
                output, state = decoder(self._fed_back(values, known, start, window), state)
            outputs = self._read_head(output[-1], rows)
            segments.append(outputs)
            values = feedback(outputs)
        return self._batched(torch.cat(segments))

    def _encode(self, window: Window) -> tuple[Tensor, ModelState]:
        """Run the recurrence over the lookback; return its outputs (segments, lanes, hidden) and final state."""
        embedded = self.lookback(window)
        output, state = self.recurrence(embedded, self._zeros(embedded))
        return output, state

    def lookback(self, window: Window) -> Tensor:
        """Return the recurrence's inputs (segments, lanes, embedding); lanes are ordered by window and, if channels are
        independent, by channel within each."""
        # A recursive decoder gets the known values of the next segment, since it forecasts that segment.
        ahead = self.sizes.segment if self.decoding == "recursive" else 0
        return self._embed(window, window.values, window.seen, window.known[ahead : ahead + self.sizes.lookback])

    def _zeros(self, embedded: Tensor) -> ModelState:
        return self.recurrence.initial_state(embedded.shape[1], self.input_map.weight)

    def _embed(self, window: Window, values: Tensor, seen: Tensor | None, known: Tensor) -> Tensor:
        """Embed rows (rows, batch, …) as vectors of their segments (segments, lanes, embedding)."""
        features = [self._lanes_of_values(values)]
        if seen is not None:
            features.append(self._lanes_of_values(seen.to(values)))
        if self.sizes.past:
            past = functional.pad(window.past, (0, 0, 0, 0, 0, max(0, len(values) - len(window.past))))
            features.append(self._lanes(past[: len(values)]))
        if self.sizes.known:
            features.append(self._lanes(known))
        embedded = torch.relu(self.input_map(self._segments(torch.cat(features, dim=-1))))
        return embedded + self._context(window)

    def _context(self, window: Window) -> Tensor | float:
        """Return the features shared by all steps: the static ones and, for decoders that feed back, the channel."""
        context: Tensor | float = 0.0
        if self.static_map is not None:
            context = context + self._lanes(self.static_map(window.static))
        if self.channel is not None and self.decoding in ("recursive", "encoder-decoder"):
            context = context + self.channel.repeat(window.values.shape[1], 1)
        return context

    def _from_last(self, window: Window, last: Tensor) -> Tensor:
        if self.future_map is not None:
            future = window.known[self.sizes.lookback :].transpose(0, 1).flatten(1)
            last = last + self._lanes(self.future_map(future).unsqueeze(0))[0]
        if self.channel is not None:
            last = last + self.channel.repeat(window.values.shape[1], 1)
        return self._batched(self._read_head(last, self.sizes.horizon))

    def _from_queries(self, window: Window, state: ModelState) -> Tensor:
        batch = window.values.shape[1]
        queries = self.position.unsqueeze(1)
        if self.channel is not None:
            queries = queries + self.channel.repeat(batch, 1)
        if self.future_map is not None:
            future = self._segments(self._lanes(window.known[self.sizes.lookback :]))
            queries = queries + self.future_map(future)
        queries = queries + self._context(window)
        count, lanes = len(self.position), batch * self.sequences
        queries = queries.expand(count, lanes, -1).reshape(1, count * lanes, -1)
        copies = tuple(tuple(torch.cat([part] * count) for part in layer) for layer in state)
        output, _ = self.recurrence(queries, copies)
        outputs = self._read_head(output[0], self.sizes.segment)  # (rows, segments · lanes, width, outputs)
        outputs = outputs.unflatten(1, (count, lanes)).transpose(0, 1).flatten(0, 1)
        return self._batched(outputs)

    def _forced(self, window: Window, target: Tensor) -> Tensor:
        rows, lookback = self.sizes.segment, self.sizes.lookback
        count = self.sizes.horizon // rows
        there, target = ~target.isnan(), target.nan_to_num()
        if self.decoder is None:
            values = torch.cat([window.values, target[:-rows]])
            seen = window.seen
            if seen is not None:
                seen = torch.cat([seen.to(values), there[:-rows].to(values)])
            embedded = self._embed(window, values, seen, window.known[rows:])
            output, _ = self.recurrence(embedded, self._zeros(embedded))
            output = output[-count:]
        else:
            _, state = self._encode(window)
            values = self._lanes_of_values(torch.cat([window.values[-rows:], target[:-rows]]))
            known = self._lanes(window.known[lookback:])
            embedded = torch.relu(self.decoder_map(self._segments(torch.cat([values, known], dim=-1))))
            output, _ = self.decoder(embedded + self._context(window), state)
        outputs = self._read_head(output.flatten(0, 1), rows)
        outputs = outputs.unflatten(1, (count, -1)).transpose(0, 1).flatten(0, 1)
        return self._batched(outputs)

    def _fed_back(self, values: Tensor, known: Tensor, start: int, window: Window) -> Tensor:
        """Return the input (1, lanes, embedding) of the step that forecasts the rows from `start`: the rows before."""
        rows = self.sizes.segment
        if self.decoder is not None:
            features = torch.cat([values, known[start : start + rows]], dim=-1)
            return torch.relu(self.decoder_map(self._segments(features))) + self._context(window)
        parts = [values]
        if self.masked:
            parts.append(torch.ones_like(values))
        if self.sizes.past:  # unknown in the future; 0 is its mean over the training rows
            parts.append(values.new_zeros(*values.shape[:2], self.sizes.past))
        if self.sizes.known:
            parts.append(known[start : start + rows])
        return torch.relu(self.input_map(self._segments(torch.cat(parts, dim=-1)))) + self._context(window)

    def _read_head(self, hidden: Tensor, rows: int) -> Tensor:
        """Map (lanes, hidden) to (rows, lanes, width, outputs)."""
        outputs: Tensor = self.head(hidden)
        return outputs.view(len(hidden), rows, self.width, self.likelihood.outputs).movedim(1, 0)

    def _normalised(self, outputs: Tensor) -> tuple[Tensor, ...]:
        plain = outputs.new_zeros(())
        return self.likelihood.read(outputs, plain, plain + 1)

    def _with_linear(self, outputs: Tensor, window: Window) -> Tensor:
        if self.linear is None:
            return outputs
        mapped = self.linear(window.values.permute(1, 2, 0)).permute(2, 0, 1).unsqueeze(-1)
        values = self.likelihood.locations
        return torch.cat([outputs[..., :values] + mapped, outputs[..., values:]], dim=-1)

    # A lane is a sequence; lanes are ordered by window and, if channels are independent, by channel within each.

    def _lanes(self, shared: Tensor) -> Tensor:
        """Map (rows, batch, features), shared by all channels of a window, to (rows, lanes, features)."""
        return shared if self.sequences == 1 else shared.repeat_interleave(self.sequences, dim=1)

    def _lanes_of_values(self, values: Tensor) -> Tensor:
        """Map (rows, batch, channels) to (rows, lanes, width)."""
        return values.reshape(len(values), -1, self.width)

    def _batched(self, outputs: Tensor) -> Tensor:
        """Map (rows, lanes, width, outputs) to (rows, batch, channels, outputs)."""
        return outputs.reshape(len(outputs), -1, self.sizes.channels, outputs.shape[-1])

    def _segments(self, rows: Tensor) -> Tensor:
        """Map (rows, lanes, features) to (segments, lanes, segment · features)."""
        segment = self.sizes.segment
        return rows.view(len(rows) // segment, segment, *rows.shape[1:]).transpose(1, 2).flatten(2)


class Ensemble(nn.Module):
    """Networks that differ only in their initial weights, trained together (Lakshminarayanan, Pritzel & Blundell 2017),
    plus an optional linear map that is fitted instead of trained. A single network is also an ensemble.

    Args:
        make_member: builds a network.
        count: number of networks.
        ridge: lookback and horizon of the linear map, or None for no map.
        categories: vectors of the categories among past, known and static columns, which the members share.
    """

    ridge: Tensor | None
    """(lookback, horizon), from a window's rows to the horizon's, both relative to the window's last row."""

    def __init__(
        self,
        make_member: Callable[[], Forecaster],
        count: int,
        ridge: tuple[int, int] | None = None,
        categories: Mapping[str, CategoryVectors] | None = None,
    ) -> None:
        super().__init__()
        self.members = nn.ModuleList(make_member() for _ in range(count))
        self.register_buffer("ridge", None if ridge is None else torch.zeros(ridge))
        self.categories = nn.ModuleDict(categories or {})

    def each(self) -> list[Forecaster]:
        return [member for member in self.members if isinstance(member, Forecaster)]

    def initialise(self, generator: torch.Generator) -> None:
        """Draw the weights of each member in turn."""
        for member in self.each():
            member.initialise(generator)
        for vectors in self.categories.values():
            assert isinstance(vectors, CategoryVectors)
            vectors.initialise(generator)

    def covariates(self, past: Tensor, known: Tensor, static: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Replace the categories among covariates, (…, columns) each, by their vectors."""
        given = {"past": past, "known": known, "static": static}
        past, known, static = (
            self.categories[use](columns) if use in self.categories else columns for use, columns in given.items()
        )
        return past, known, static

    def forward(self, window: Window, target: Tensor | None = None) -> list[Tensor]:
        """Compute the outputs of each member; see `Forecaster.forward`."""
        return [member(window, target) for member in self.each()]
