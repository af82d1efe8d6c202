"""Results of inspecting a trained network's recurrence, as plain frozen data.

Layers are counted from 1, units from 0. A step is one symbol of a text or one segment of a window.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

from lstmctl.results.clips import ClipView
from lstmctl.results.shown import Shown

Direction = Literal["forward", "backward"]
"""Reading direction of a bidirectional network's cell. Findings of forward-only networks contain None instead."""
TRACKS = 0.5
"""Minimum correlation, positive or negative, at which a unit is said to track a property."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Fields common to all inspection results."""

    run: str
    """The run's folder."""
    cell: str
    """`lstm`, or the name of a user's class in lower case."""
    source: str
    """Description of the input: `the test part`, a file, `the text given`."""


@dataclass(frozen=True, slots=True)
class Panel:
    """One gate or state of a layer over the input."""

    not_in_json: ClassVar = ("is_share",)
    name: str
    """Name in the cell's equations: `f`, `cell`."""
    kind: Literal["gate", "state"]
    is_share: bool
    """True if all values are in [0, 1], as for a sigmoid."""
    values: tuple[tuple[float, ...], ...]
    """One row per unit shown, with one value per step."""
    direction: Direction | None = None


@dataclass(frozen=True, slots=True)
class Tracked:
    """The unit whose state correlates best with a property of the input."""

    in_json: ClassVar = ("tracks",)
    what: str
    """The property's name: `inside quotes`."""
    layer: int
    state: str
    unit: int
    chosen: float
    """Correlation on the first half of the steps: the largest in absolute value of all units."""
    correlation: float | None
    """The same unit's correlation on the second half, which was not used to choose it; None if the property is
    constant there."""
    direction: Direction | None = None

    @property
    def tracks(self) -> bool:
        """True if the correlation is large enough to say that the unit tracks the property."""
        return self.correlation is not None and abs(self.correlation) >= TRACKS


@dataclass(frozen=True, slots=True)
class GateFindings(Shown):
    """Gates and states over an input, and the units that track something."""

    about: Subject
    layer: int
    layers: int
    units: tuple[int, ...]
    """The units shown, out of the layer's `hidden`."""
    hidden: int
    symbols: tuple[str, ...]
    """The symbol read at each step shown."""
    step: str
    """Description of a step."""
    panels: tuple[Panel, ...]
    tracked: tuple[Tracked, ...]
    examined: int
    """Steps searched for units: half of them to choose a unit, half to measure its correlation."""
    candidates: int
    """Number of states of units from which the best is chosen for each property."""
    tracked_in: str
    """Description of the input that was searched."""
    notes: tuple[str, ...] = ()
    clip: ClipView | None = None
    """The steps shown as sound, with the probabilities of the labels; None if they are not frames of sound."""


@dataclass(frozen=True, slots=True)
class Saturation:
    """Shares of steps with a nearly closed or nearly open gate, per unit (Karpathy, Johnson & Li 2015)."""

    gate: str
    left: tuple[float, ...]
    """For each unit, the share of steps with a value below 0.1."""
    right: tuple[float, ...]
    """Likewise, above 0.9."""


@dataclass(frozen=True, slots=True)
class Spectrum:
    """Spectrum of the recurrent matrix U of a vanilla network."""

    radius: float
    """The largest absolute eigenvalue."""
    largest_singular_value: float
    eigenvalues: tuple[tuple[float, float], ...]
    """Real and imaginary parts."""


@dataclass(frozen=True, slots=True)
class LayerMemory:
    """Retention times of one layer, or of one direction of it."""

    layer: int
    keeping_gate: str | None
    time_constants: tuple[float, ...]
    """Steps, for each unit, until its state has decayed to 1/e; infinite if the gate never closed at all. Empty
    without a retention gate."""
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

    in_json: ClassVar = ("half_life", "doubling_time")
    layer: int
    state: str
    norms: tuple[float, ...]
    """Geometric means over the positions."""
    low: tuple[float, ...]
    high: tuple[float, ...]
    """Quartiles over the positions."""
    rate: float | None
    """Factor by which the norm changes with each further step back, fitted over all k; None if there is nothing to
    fit."""
    direction: Direction | None = None

    @property
    def half_life(self) -> float | None:
        """Steps back in which the norm halves; None if it does not shrink."""
        return math.log(2) / -math.log(self.rate) if self.rate is not None and 0 < self.rate < 1 else None

    @property
    def doubling_time(self) -> float | None:
        """Steps back in which the norm doubles; None if it does not grow."""
        return math.log(2) / math.log(self.rate) if self.rate is not None and self.rate > 1 else None


@dataclass(frozen=True, slots=True)
class GradientFindings(Shown):
    """Decay or growth of a run's gradient backwards in time."""

    about: Subject
    weights: Literal["trained", "initial"]
    positions: int
    steps: int
    """K, the farthest step back."""
    window: int | None
    """Steps through which training backpropagates; None if it is the whole input."""
    courses: tuple[GradientCourse, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RecallBin:
    """Answers that have to be remembered over distances in one range."""

    nearest: int
    farthest: int
    """Distance in symbols from the last mention of the answer to the answer; both ends of the range are included."""
    answers: int
    right: float
    """Share of answers to which the run assigns the highest probability among the candidates."""
    low: float
    high: float
    """95 % confidence interval of that share (Wilson 1927)."""
    probability: float
    """Mean probability of the correct answer among the candidates."""
    last_named: float | None
    """Accuracy of always answering with the last mention; None if the table does not contain it."""
    most_frequent: float
    """Accuracy of always giving the most frequent answer of the training part."""


@dataclass(frozen=True, slots=True)
class RecallFindings(Shown):
    """Recall of a run by distance."""

    in_json: ClassVar = ("chance",)
    about: Subject
    kind: str
    """Kind of information to recall: `language`."""
    candidates: tuple[str, ...]
    bins: tuple[RecallBin, ...]
    """By distance, nearest first; the last bin contains all answers."""

    @property
    def chance(self) -> float:
        """Accuracy of guessing among the candidates."""
        return 1 / len(self.candidates)


@dataclass(frozen=True, slots=True)
class RunInspections:
    """Inspections of one run of a comparison."""

    step: int | None
    """Training step of the weights that were inspected."""
    gradients: GradientFindings | None = None
    recall: RecallFindings | None = None


@dataclass(frozen=True, slots=True)
class ArmInspections:
    """Inspections of one run per arm of a comparison."""

    gradients: tuple[GradientFindings, ...] = ()
    recalls: tuple[RecallFindings, ...] = ()
    """Only if the distances over which the data has to be remembered are known."""
