"""What a look into a trained network's recurrence finds, as plain frozen data.

Layers are counted from 1, units from 0. A step is one symbol of a text or one segment of a window.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from lstmctl.shown import Shown

Direction = Literal["forward", "backward"]
"""Which way a cell of a bidirectional network reads. Where it reads forward alone, findings say None."""
TRACKS = 0.5
"""From this correlation on, positive or negative, a unit is said to track something."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What every look into a run says of itself."""

    run: str
    """The run's folder."""
    cell: str
    """`lstm`, or a user's class by its name in small letters."""
    source: str
    """What was read, in words: `the test part`, a file, `the text given`."""


@dataclass(frozen=True, slots=True)
class Panel:
    """One gate or state of a layer while it reads."""

    name: str
    """As in the cell's equations: `f`, `cell`."""
    kind: Literal["gate", "state"]
    is_share: bool
    """Whether all values lie in [0, 1], as those of a sigmoid do."""
    values: tuple[tuple[float, ...], ...]
    """One row a unit shown, one value a step."""
    direction: Direction | None = None


@dataclass(frozen=True, slots=True)
class Tracked:
    """The unit whose state goes along best with a property of what is read."""

    what: str
    """The property's name: `inside quotes`."""
    layer: int
    state: str
    unit: int
    chosen: float
    """Correlation on the first half of the steps: the largest, by its size, of all units."""
    correlation: float | None
    """The same unit's correlation on the second half, which did not choose it; None where the property does not vary
    there."""
    direction: Direction | None = None

    @property
    def tracks(self) -> bool:
        """Whether it is fair to say that the unit tracks the property."""
        return self.correlation is not None and abs(self.correlation) >= TRACKS


@dataclass(frozen=True, slots=True)
class GateFindings(Shown):
    """Gates and states over an input, and the units that track something."""

    about: Subject
    layer: int
    layers: int
    units: tuple[int, ...]
    """Those shown, of the layer's `hidden` ones."""
    hidden: int
    symbols: tuple[str, ...]
    """What each step shown has read."""
    step: str
    """What a step is, in words."""
    panels: tuple[Panel, ...]
    tracked: tuple[Tracked, ...]
    examined: int
    """Steps in which units were looked for; half of them chose, half of them count."""
    candidates: int
    """States of units among which the best was chosen for each property."""
    tracked_in: str
    """What was read to find them."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Saturation:
    """How often each unit's gate is nearly shut or nearly open (Karpathy, Johnson & Li 2015)."""

    gate: str
    left: tuple[float, ...]
    """For each unit the share of steps with a value below 0.1."""
    right: tuple[float, ...]
    """Above 0.9."""


@dataclass(frozen=True, slots=True)
class Spectrum:
    """The recurrent matrix U of a vanilla network."""

    radius: float
    """The largest absolute eigenvalue."""
    largest_singular_value: float
    eigenvalues: tuple[tuple[float, float], ...]
    """Real and imaginary parts."""


@dataclass(frozen=True, slots=True)
class LayerMemory:
    """How long one layer keeps what it holds, or one direction of it."""

    layer: int
    keeping_gate: str | None
    time_constants: tuple[float, ...]
    """Steps, for each unit, until what it holds has shrunk to 1/e; infinite where the gate never closed at all. Empty
    without a keeping gate."""
    quartiles: tuple[float, float, float] | None
    saturation: tuple[Saturation, ...]
    spectrum: Spectrum | None
    direction: Direction | None = None

    @property
    def longest(self) -> float | None:
        return max(self.time_constants) if self.time_constants else None


@dataclass(frozen=True, slots=True)
class MemoryFindings(Shown):
    """Time constants and saturation of every layer."""

    about: Subject
    steps: int
    layers: tuple[LayerMemory, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GradientCourse:
    """The norm of d loss(t) / d state(t − k) over k = 0 … K, for one state of one layer."""

    layer: int
    state: str
    norms: tuple[float, ...]
    """Geometric means over the positions."""
    low: tuple[float, ...]
    high: tuple[float, ...]
    """Quartiles over the positions."""
    rate: float | None
    """By what the norm is multiplied with each further step back, fitted over all k; None where there is nothing to
    fit."""
    direction: Direction | None = None

    @property
    def half_life(self) -> float | None:
        """Steps back in which the norm halves; None where it does not shrink."""
        return math.log(2) / -math.log(self.rate) if self.rate is not None and 0 < self.rate < 1 else None

    @property
    def doubling_time(self) -> float | None:
        """Steps back in which the norm doubles; None where it does not grow."""
        return math.log(2) / math.log(self.rate) if self.rate is not None and self.rate > 1 else None


@dataclass(frozen=True, slots=True)
class GradientFindings(Shown):
    """How a run's gradient fades, or grows, on its way back in time."""

    about: Subject
    weights: Literal["trained", "initial"]
    positions: int
    steps: int
    """K: the farthest step back."""
    window: int | None
    """Steps through which training itself sent gradients back; None where it is the whole input."""
    courses: tuple[GradientCourse, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RecallBin:
    """Answers that have to be remembered over a distance."""

    nearest: int
    farthest: int
    """Symbols from where the answer was last given away to the answer; both are included."""
    answers: int
    right: float
    """Share of answers to which the run gives the highest probability among the candidates."""
    low: float
    high: float
    """95 % interval of that share (Wilson 1927)."""
    probability: float
    """Mean probability of the right answer among the candidates."""
    last_named: float | None
    """Share that is right for who answers with what was named last; None where the table does not say."""
    most_frequent: float
    """Share that is right for who always gives the answer that is most frequent in the training part."""


@dataclass(frozen=True, slots=True)
class RecallFindings(Shown):
    """How well a run recalls, by distance."""

    about: Subject
    kind: str
    """What is recalled: `language`."""
    candidates: tuple[str, ...]
    bins: tuple[RecallBin, ...]
    """By distance, nearest first; the last one holds all answers."""

    @property
    def chance(self) -> float:
        """Share that is right for who draws among the candidates."""
        return 1 / len(self.candidates)


@dataclass(frozen=True, slots=True)
class Looks:
    """A look inside one run of every arm of a comparison."""

    gradients: tuple[GradientFindings, ...] = ()
    recalls: tuple[RecallFindings, ...] = ()
    """Where it is known over what distances the data has to be remembered."""
