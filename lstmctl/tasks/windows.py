"""Orders in which a text is read: fixed lanes for carried state, shuffled windows for single predictions.

Each is a pure function of the seed and the step number, and the same for every cell.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from warnings import catch_warnings, simplefilter

import torch
from torch import Tensor

from lstmctl.data.vocabulary import Symbols
from lstmctl.errors import DataError
from lstmctl.protocols import Batch
from lstmctl.seeds import stream
from lstmctl.tasks.permutation import Permutation

MOST_DRAWN = 1 << 25
"""Windows whose order is a list of their numbers, of 256 MB at most."""


def readable(symbols: Symbols) -> Tensor:
    """Return the same numbers (length,) as a tensor that shares their memory, which may be a mapped file.

    The tensor is read-only."""
    with catch_warnings():
        simplefilter("ignore", UserWarning)  # about memory that cannot be written to
        return torch.from_numpy(symbols)


class Lanes:
    """Truncated back-propagation through time with carried state (Williams & Peng 1990; Mikolov et al. 2010).

    The text is read as a ring, cut into `batch` lanes of equal length that advance in parallel by `window` symbols per
    step. Each epoch rotates the ring at random, so windows do not always begin at the same positions. A lane that has
    passed the text's end starts its next window from a zero state. Any lane also does so at random, because generation
    starts from a zero state too (Melis, Dyer & Blunsom 2018 drop the state in the same way).

    Args:
        symbols: (length,) the training part.
        batch: lanes.
        window: symbols a lane advances in one step.
        seed: of the run.
        state_reset: probability that a lane starts a window from zero.
        weights: (length,) factors of each symbol's loss; None if all are 1.

    Raises:
        DataError: the lanes are shorter than a window; with sizes that fit.
    """

    def __init__(
        self,
        symbols: Tensor,
        batch: int,
        window: int,
        seed: int,
        state_reset: float = 0.0,
        weights: Tensor | None = None,
    ) -> None:
        self.symbols, self.batch, self.window, self.seed = symbols, batch, window, seed
        self.state_reset, self.weights = state_reset, weights
        self.lane_length = len(symbols) // batch
        self.steps_per_epoch = self.lane_length // window
        self.units_per_step = batch * window
        if self.steps_per_epoch == 0:
            raise too_short(len(symbols), batch, window, lambda batch, window: batch * window)
        self._begins = torch.arange(batch) * self.lane_length  # on the CPU, so that no step waits for a GPU
        self._offsets = (torch.arange(window + 1).unsqueeze(1) + self._begins).to(symbols.device)

    def __getitem__(self, step: int) -> Batch:
        epoch, position = divmod(step, self.steps_per_epoch)
        length = len(self.symbols)
        start = self._rotation(epoch) + position * self.window
        places = (self._offsets + start) % length
        text = self.symbols[places].long()
        return Batch(
            text[:-1],
            text[1:],
            fresh=position == 0,
            reset=self._reset(step, start) if position else None,
            weight=None if self.weights is None else self.weights[places[1:]],
        )

    def _rotation(self, epoch: int) -> int:
        return stream(self.seed, "order", epoch) % len(self.symbols)

    def _reset(self, step: int, start: int) -> Tensor | None:
        """Return the lanes to reset: the one that passes the text's end, and those drawn at random."""
        marked = (self._begins + start) % len(self.symbols) < self.window
        if self.state_reset:
            generator = torch.Generator().manual_seed(stream(self.seed, "reset", step))
            marked |= torch.rand(self.batch, generator=generator) < self.state_reset
        return marked.to(self.symbols.device, non_blocking=True) if marked.any() else None


class GrowingLanes:
    """Lanes whose windows double from stage to stage, each with the same number of steps: short distances are learned
    first.

    Every step reads the same number of symbols, so a stage with windows half as long has twice the lanes.

    Args:
        stages: the lanes of each stage, the shortest windows first.
        steps: the total; beyond it, the last stage continues.
    """

    def __init__(self, stages: Sequence[Lanes], steps: int) -> None:
        self.stages, self.steps = stages, steps
        self.units_per_step, self.steps_per_epoch = stages[-1].units_per_step, stages[-1].steps_per_epoch

    def __getitem__(self, step: int) -> Batch:
        count = len(self.stages)
        stage = min(step * count // self.steps, count - 1)
        begins = -(-stage * self.steps // count)
        return self.stages[stage][step - begins]


class ShuffledWindows:
    """Every window of the text once per epoch, shuffled, each from a zero state; its target is the symbol after it.

    Args:
        symbols: (length,) the training part.
        batch: windows in one step.
        window: symbols read before the prediction.
        seed: of the run.
        weights: (length,) factors of each symbol's loss; None if all are 1.

    Raises:
        DataError: the text has fewer windows than a batch; with sizes that fit.
    """

    def __init__(self, symbols: Tensor, batch: int, window: int, seed: int, weights: Tensor | None = None) -> None:
        self.symbols, self.batch, self.window, self.seed, self.weights = symbols, batch, window, seed, weights
        self.count = len(symbols) - window
        self.steps_per_epoch = self.count // batch
        self.units_per_step = batch
        if self.steps_per_epoch <= 0:
            raise too_short(len(symbols), batch, window, lambda batch, window: batch + window)
        self._offsets = torch.arange(window + 1, device=symbols.device).unsqueeze(1)
        self._order = lru_cache(maxsize=1)(self._shuffle)

    def __getitem__(self, step: int) -> Batch:
        epoch, position = divmod(step, self.steps_per_epoch)
        places = torch.arange(position * self.batch, (position + 1) * self.batch, device=self.symbols.device)
        starts = self._order(epoch)[places]
        text = self.symbols[self._offsets + starts].long()
        weight = None if self.weights is None else self.weights[starts + self.window]
        return Batch(text[:-1], text[-1], fresh=True, weight=weight)

    def _shuffle(self, epoch: int) -> Tensor | Permutation:
        seed = stream(self.seed, "order", epoch)
        if self.count > MOST_DRAWN:
            return Permutation(self.count, seed)
        generator = torch.Generator().manual_seed(seed)
        return torch.randperm(self.count, generator=generator).to(self.symbols.device)


def streamed(symbols: Tensor, lanes: int, window: int) -> Iterator[Batch]:
    """Yield a whole text for evaluation, in `lanes` that carry state from a zero start. Each symbol is a target once,
    except the first of every lane. One lane reads the text as one stream."""
    length = (len(symbols) - 1) // lanes
    return alongside(symbols, torch.arange(lanes, device=symbols.device) * length, length, window)


def alongside(symbols: Tensor, starts: Tensor, length: int, window: int) -> Iterator[Batch]:
    """Yield lanes of `length` targets that begin at `starts` (lanes,), `window` targets at a time."""
    for position in range(0, length, window):
        stop = min(position + window, length)
        offsets = torch.arange(position, stop + 1, device=symbols.device).unsqueeze(1)
        text = symbols[offsets + starts].long()
        yield Batch(text[:-1], text[1:], fresh=position == 0)


def cold(symbols: Tensor, window: int, batch: int) -> Iterator[Batch]:
    """Yield consecutive windows without overlap, each from a zero state; every symbol except a window's first is a
    target. A rest shorter than a window is left out."""
    count = (len(symbols) - 1) // window
    offsets = torch.arange(window + 1, device=symbols.device).unsqueeze(1)
    for first in range(0, count, batch):
        starts = torch.arange(first, min(first + batch, count), device=symbols.device) * window
        text = symbols[offsets + starts].long()
        yield Batch(text[:-1], text[1:], fresh=True)


def spread(symbols: Tensor, window: int, batch: int, most: int) -> Iterator[Batch]:
    """Yield at most `most` evenly spread windows, each with the symbol after it as its only target."""
    count = len(symbols) - window
    starts = torch.arange(0, count, max(1, -(-count // most)), device=symbols.device)
    offsets = torch.arange(window + 1, device=symbols.device).unsqueeze(1)
    for first in range(0, len(starts), batch):
        text = symbols[offsets + starts[first : first + batch]].long()
        yield Batch(text[:-1], text[-1], fresh=True)


def too_short(length: int, batch: int, window: int, needed: Callable[[int, int], int]) -> DataError:
    """Return the error for a training part that does not fill one step, with settings that would fit.

    `needed` returns the symbols of one step for a batch and a window."""
    smaller = [2**power for power in range(batch.bit_length(), -1, -1) if 2**power < batch]
    fitting = next((size for size in smaller if needed(size, window) <= length), None)
    shorter = max(1, length // 2)
    if fitting is not None:
        hint = f"training.batch={fitting} would fit"
    elif needed(1, shorter) <= length:
        hint = f"training.batch=1 training.window={shorter} would fit"
    else:
        hint = "give it a larger share in data.split, or more text"
    return DataError(
        f"the training part has {length:,} symbols, but training.batch={batch} with training.window={window} "
        f"needs {needed(batch, window):,}",
        hint=hint,
    )
