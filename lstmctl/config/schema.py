"""The config's one typed schema: every key, its type, its bounds, its unit, and the only home of its default.

To add a task: one class here, and its name in `AnyTask`. To add a source of data: one class whose field named like
its `source` is required, and its name in `AnyData`. A task says itself which sources it takes and in which nouns its
budget counts; which keys of the other sections only some tasks read is in `READ_BY`. Rules between fields are in
`rules`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

from lstmctl.config.budget import Budget
from lstmctl.config.fields import (
    AboveZero,
    AtLeastOne,
    AtLeastZero,
    Batch,
    BelowOne,
    Betas,
    BudgetField,
    Calendar,
    Cell,
    Device,
    Fraction,
    Layers,
    Levels,
    Names,
    Options,
    Paths,
    SeriesSplit,
    SomeNames,
    Split,
    Threads,
    TimeStep,
    Zone,
)

BEFORE_SPLIT_BY = {
    *("series", "time", "id", "targets", "past", "known", "static", "calendar", "step", "date_format", "separator"),
    *("decimal", "order", "duplicates", "missing", "scaler", "split"),
}
"""The keys of a run's `data` section, which names them all, before `split_by` was one of them."""


class Section(BaseModel):
    """A part of the config: frozen, no unknown keys, no conversions, no NaN or infinity."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


class LanguageModel(Section):
    """Predict the next symbol of a text."""

    sources: ClassVar[tuple[str, ...]] = ("text",)
    nouns: ClassVar[tuple[str, ...]] = ("characters",)
    budget: ClassVar[str] = "3M characters"  # where the config names none
    causal: ClassVar[bool] = True  # a prediction must not see what comes after it

    type: Literal["language-model"] = Field(default="language-model", description="What is learnt")
    shape: Literal["many-to-many", "many-to-one"] = Field(
        default="many-to-many",
        description="many-to-many predicts after every symbol; many-to-one reads a window and predicts the next symbol",
    )


class Forecast(Section):
    """Predict how time series go on."""

    sources: ClassVar[tuple[str, ...]] = ("series",)
    nouns: ClassVar[tuple[str, ...]] = ("windows",)
    budget: ClassVar[str] = "10 epochs"
    causal: ClassVar[bool] = True

    type: Literal["forecast"] = Field(default="forecast", description="What is learnt")
    shape: Literal["many-to-many", "many-to-one"] = Field(
        default="many-to-many",
        description="many-to-one forecasts from the last state alone; many-to-many makes steps through the horizon",
    )
    decoding: Literal["parallel", "recursive", "encoder-decoder"] = Field(
        default="parallel",
        description="How many-to-many goes through the horizon: every segment at once from the last state, one after "
        "the other on its own forecasts, or by a second recurrence that starts from the last state",
    )
    lookback: AtLeastOne = Field(default=96, description="Rows a forecast is made from (time steps)")
    horizon: AtLeastOne = Field(default=24, description="Rows a forecast is made for (time steps)")
    segment: AtLeastOne = Field(
        default=1, description="Rows that make one step of the recurrence; divides lookback, and a many-to-many horizon"
    )
    channels: Literal["independent", "joint"] = Field(
        default="independent",
        description="Whether each target column is a sequence of its own, by the same weights, or all are one",
    )
    loss: Literal["mse", "mae", "huber", "quantile", "gaussian", "student-t"] = Field(
        default="mse",
        description="What training minimises: a point forecast's error, or the misfit of quantiles or a distribution",
    )
    normalisation: Literal["last", "window", "none"] = Field(
        default="last",
        description="What is taken out of each window and put back: its last value, its mean and deviation, or nothing",
    )
    symmetry: Literal["none", "odd"] = Field(
        default="none",
        description="odd: the mirror of a window has the mirror of its forecast; windows are mirrored at random in "
        "training, and a forecast is the mean of the window's and of its mirror's",
    )
    levels: Levels = Field(default=(80, 90), description="Intervals to forecast, in percent")
    calibration: Literal["separate", "shared", "none"] = Field(
        default="separate",
        description="Rows that calibrate the intervals: the second half of the validation part (its first half then "
        "chooses the weights), all of it (shared with that choice), or none",
    )
    season: AtLeastOne | Literal["auto"] = Field(
        default="auto",
        description="Rows after which the series repeat, for the seasonal baseline and MASE; auto goes by the step",
    )


class Classification(Section):
    """Tell the class of a sequence."""

    sources: ClassVar[tuple[str, ...]] = ("table", "synthetic")
    nouns: ClassVar[tuple[str, ...]] = ("sequences",)
    budget: ClassVar[str] = "10 epochs"
    causal: ClassVar[bool] = False  # a sequence is there as a whole

    type: Literal["classification"] = Field(default="classification", description="What is learnt")
    shape: Literal["many-to-one"] = Field(default="many-to-one", description="One label for a whole sequence")
    class_weights: Literal["none", "balanced"] = Field(
        default="none",
        description="balanced: a sequence weighs in the loss as its class is rare, so that all classes weigh the same",
    )


class Regression(Section):
    """Tell a number, or several, from a sequence."""

    sources: ClassVar[tuple[str, ...]] = ("table", "synthetic")
    nouns: ClassVar[tuple[str, ...]] = ("sequences",)
    budget: ClassVar[str] = "10 epochs"
    causal: ClassVar[bool] = False

    type: Literal["regression"] = Field(default="regression", description="What is learnt")
    shape: Literal["many-to-one"] = Field(default="many-to-one", description="Numbers for a whole sequence")
    loss: Literal["mse", "mae", "huber"] = Field(default="mse", description="What training minimises")


class Tagging(Section):
    """Tell a label at every step of a sequence."""

    sources: ClassVar[tuple[str, ...]] = ("table", "synthetic")
    nouns: ClassVar[tuple[str, ...]] = ("sequences",)
    budget: ClassVar[str] = "10 epochs"
    causal: ClassVar[bool] = False

    type: Literal["tagging"] = Field(default="tagging", description="What is learnt")
    shape: Literal["many-to-many"] = Field(default="many-to-many", description="A label for every step")
    class_weights: Literal["none", "balanced"] = Field(
        default="none",
        description="balanced: a step weighs in the loss as its label is rare, so that all labels weigh the same",
    )


class Transduction(Section):
    """Write one text for another, by an encoder and a decoder."""

    sources: ClassVar[tuple[str, ...]] = ("pairs",)
    nouns: ClassVar[tuple[str, ...]] = ("sequences",)
    budget: ClassVar[str] = "10 epochs"
    causal: ClassVar[bool] = False  # direction is the encoder's

    type: Literal["transduction"] = Field(default="transduction", description="What is learnt")
    shape: Literal["many-to-many"] = Field(
        default="many-to-many", description="A whole text is read, then another of any length is written"
    )


class GenerationFromLabel(Section):
    """Write a text for a label."""

    sources: ClassVar[tuple[str, ...]] = ("table",)
    nouns: ClassVar[tuple[str, ...]] = ("sequences",)
    budget: ClassVar[str] = "10 epochs"
    causal: ClassVar[bool] = True

    type: Literal["generation-from-label"] = Field(default="generation-from-label", description="What is learnt")
    shape: Literal["one-to-many"] = Field(default="one-to-many", description="One label to a text of any length")


class TextData(Section):
    """One or more text files, read in order as one text."""

    source: ClassVar[str] = "text"

    text: Paths = Field(
        description="A text file, a folder of them, a list, or prepared text; relative to the config, then bundled"
    )
    symbols: Literal["characters", "bytes"] = Field(default="characters", description="What one symbol is")
    split: Split = Field(
        default=(0.8, 0.1, 0.1),
        description="Training, validation and (optional) test part, in order of position: fractions that sum to 1, "
        "or whole counts of symbols (an unused tail is allowed)",
    )


class SeriesData(Section):
    """A table of time series, one row a time (and series)."""

    source: ClassVar[str] = "series"

    series: Paths = Field(
        description="A CSV, TSV or Parquet file: wide (a date, then a column a series) or long (unique_id, ds, y); or "
        "a prepared table"
    )
    time: str | None = Field(
        default=None,
        description="Column of dates or whole numbers, or columns joined by + (year+month+day); null to recognise it",
    )
    id: str | None = Field(default=None, description="Column that names each row's series; null to recognise it")
    targets: SomeNames | None = Field(
        default=None,
        description="Columns to forecast; null for `y` of a long table, else every column of numbers with no other use",
    )
    past: Names = Field(default=(), description="Columns that help but are known only up to now")
    known: Names = Field(default=(), description="Columns that are known in advance, over the horizon too")
    static: Names = Field(default=(), description="Columns that never change within a series")
    calendar: Calendar = Field(
        default=(), description="Features made of the dates, each as sine and cosine; known in advance"
    )
    step: TimeStep = Field(
        default="auto",
        description="Time between rows: auto, `15 minutes`, `1 hour`, `1 day`, `business days`, `1 month`, `1 row` …",
    )
    date_format: str | None = Field(
        default=None,
        description="How dates are written: such as %d.%m.%Y %H:%M, or seconds, milliseconds, microseconds, "
        "nanoseconds (since 1970) or excel (days of a spreadsheet); null to recognise it",
    )
    zone: Zone = Field(
        default=None,
        description="Time zone to convert dates to, UTC or an offset such as +02:00; null keeps the table's own clock",
    )
    separator: Literal["auto", ",", ";", "\t", "|"] = Field(default="auto", description="Between columns")
    decimal: Literal["auto", ".", ","] = Field(
        default="auto",
        description="Before the fraction of a number; the other sign may then separate thousands",
    )
    order: Literal["error", "sort"] = Field(default="error", description="What to do with rows out of order")
    duplicates: Literal["error", "first", "last", "mean"] = Field(
        default="error", description="What to do with several rows of one time"
    )
    missing: Literal["error", "forward-fill", "interpolate", "mask"] = Field(
        default="error",
        description="What to do with missing values and missing rows; mask tells the network and leaves them unscored",
    )
    scaler: Literal["standard", "robust", "min-max", "none"] = Field(
        default="standard", description="How each series is scaled, by its training rows alone"
    )
    split: SeriesSplit = Field(
        default=(0.7, 0.1, 0.2),
        description="Training, validation and (optional) test part, in order of time: fractions that sum to 1, whole "
        "counts of rows (an unused tail is allowed), or the dates at which the later parts begin",
    )
    split_by: Literal["auto", "dates", "series"] = Field(
        default="auto",
        description="How fractions cut several series: all at the same dates, each series by its own length, or auto: "
        "at dates where series overlap in time",
    )

    @model_validator(mode="before")
    @classmethod
    def _keep_the_parts_of_older_runs(cls, values: Any) -> Any:
        """Cut each series by its own length in a run from before `split_by`: its config names all the other keys."""
        if isinstance(values, dict) and "split_by" not in values and values.keys() >= BEFORE_SPLIT_BY:
            return {**values, "split_by": "series"}
        return values


class TableData(Section):
    """A table of labelled sequences: a row a text, or a row a frame."""

    source: ClassVar[str] = "table"

    table: Paths = Field(description="A CSV, TSV or Parquet file: a row a text with its label, or a row a frame")
    text: str | None = Field(
        default=None, description="Column of texts, each a sequence of characters; null for `text`, if there is one"
    )
    sequence: str | None = Field(
        default=None,
        description="Column that names the sequence of each frame, in rows that follow each other; null for `sequence`",
    )
    features: SomeNames | None = Field(
        default=None, description="Columns of the numbers of a frame; null for every column with no other use"
    )
    label: SomeNames | None = Field(
        default=None,
        description="Column of labels, or columns of numbers (regression); null for `label`, `labels` or `target`. A "
        "text's characters have labels of one character each, or as many labels with spaces between (tagging)",
    )
    window: AtLeastOne | None = Field(
        default=None,
        description="Frames in a sequence, where one long recording has no column of sequences: it is cut into windows",
    )
    stride: AtLeastOne | None = Field(
        default=None, description="Frames from one such window to the next; null for windows side by side"
    )
    separator: Literal["auto", ",", ";", "\t", "|"] = Field(default="auto", description="Between columns")
    decimal: Literal["auto", ".", ","] = Field(
        default="auto",
        description="Before the fraction of a number; the other sign may then separate thousands",
    )
    scaler: Literal["standard", "min-max", "none"] = Field(
        default="standard", description="How features, and numbers to tell, are scaled, by the training part alone"
    )
    split: Split = Field(
        default=(0.8, 0.1, 0.1),
        description="Training, validation and (optional) test part, in order of position: fractions that sum to 1, "
        "or whole counts of sequences (an unused tail is allowed)",
    )


class PairsData(Section):
    """Pairs of texts, a line each: what is read, a tab, what is to be written."""

    source: ClassVar[str] = "pairs"

    pairs: Paths = Field(description="A text file with a pair a line: what is read, a tab, what is to be written")
    split: Split = Field(
        default=(0.8, 0.1, 0.1),
        description="Training, validation and (optional) test part, in order of position: fractions that sum to 1, "
        "or whole counts of pairs (an unused tail is allowed)",
    )


class SyntheticData(Section):
    """A test of long memory: sequences drawn by the program, new ones at every step of training."""

    source: ClassVar[str] = "synthetic"
    tasks: ClassVar[dict[str, str]] = {
        "adding": "regression",
        "multiplication": "regression",
        "temporal-order": "classification",
        "temporal-order-4": "classification",
        "first-symbol": "classification",
        "copy": "tagging",
        "reber": "tagging",
    }
    precision: ClassVar[str] = "float32"  # bfloat16 would lose the small increments of a long memory

    synthetic: Literal[
        "adding", "multiplication", "temporal-order", "temporal-order-4", "first-symbol", "copy", "reber"
    ] = Field(description="Which test; see data/synthetic.py for each")
    length: AtLeastOne = Field(
        default=100, description="Steps of a sequence; of copy, the delay; of reber, the least number of symbols"
    )
    held_out: AtLeastOne = Field(default=2000, description="Sequences of the validation part, and of the test part")


# The alternatives of two sections: `task` by its `type`, `data` by the source key it holds.
AnyTask = Annotated[
    LanguageModel | Forecast | Classification | Regression | Tagging | Transduction | GenerationFromLabel,
    Field(discriminator="type"),
]
AnyData = TextData | SeriesData | TableData | PairsData | SyntheticData


class Model(Section):
    """The network."""

    cell: Cell = Field(
        default="lstm", description="The recurrence: rnn, lstm, gru, feedforward, or your own `module:Class`"
    )
    hidden: AtLeastOne = Field(default=256, description="Width of the hidden state, in units")
    layers: Layers = Field(default=1, description="Recurrent layers stacked on each other")
    embedding: AtLeastOne = Field(default=64, description="Width of the vector that stands for one symbol, in units")
    tie_embedding: bool = Field(
        default=False, description="Predict with the vectors that also read the symbols (language models)"
    )
    dropout: BelowOne = Field(
        default=0.0, description="Chance that a feature is dropped between layers and before the output"
    )
    variational_dropout: bool = Field(default=False, description="Drop the same units at every time step of a window")
    layer_norm: bool = Field(default=False, description="Normalise the output of every layer")
    residual: bool = Field(default=False, description="Add each layer's input to its output, where the widths agree")
    linear: bool = Field(
        default=False, description="Add a linear map from lookback to horizon beside the recurrence (forecasts)"
    )
    ridge: Fraction = Field(
        default=0.0,
        description="Share of the forecast that a ridge regression from lookback to horizon gives, and the network the "
        "rest: the mean of two kinds of forecast errs less than either where they are about equally good (forecasts)",
    )
    channel_embedding: bool = Field(
        default=True, description="Tell the network which of several independent channels it forecasts (forecasts)"
    )
    ensemble: Layers = Field(
        default=1, description="Networks trained side by side whose forecasts are averaged (forecasts)"
    )
    direction: Literal["forward", "bidirectional"] = Field(
        default="forward",
        description="Read forward, or in both directions (not for tasks that predict what comes next)",
    )
    attention: bool = Field(
        default=False,
        description="Let the decoder look back at every step of the encoder (transduction; Luong, Pham & Manning 2015)",
    )
    options: Options = Field(default_factory=dict, description="Settings of the cell itself, checked by the cell")


class Training(Section):
    """How the network is trained."""

    budget: BudgetField = Field(
        default=Budget(3e6, "characters"),
        description="How long: steps, epochs, targets that enter the loss (characters; windows of a forecast, by "
        "default 10 epochs), or seconds; k, M, G allowed",
    )
    batch: Batch = Field(
        default=32,
        description="Sequences side by side in one step (windows, each with all its channels, of a forecast)",
    )
    window: AtLeastOne = Field(default=64, description="Symbols a language model reads in one step (time steps)")
    first_window: AtLeastOne | None = Field(
        default=None,
        description="Windows begin so short and double until `window`, in stages of equal length, with as many symbols "
        "a step in each: what is near is learnt before what is far (many-to-many language models)",
    )
    state_reset: BelowOne = Field(
        default=0.01,
        description="Chance that a lane starts a window from a zero state instead of the one carried to it, so that a "
        "text's first symbols are practised too (many-to-many language models)",
    )
    shorten: Fraction = Field(
        default=0.0,
        description="Chance that a window's oldest segments are hidden, in a number drawn evenly (forecasts); what is "
        "learnt then leans less on the distant past",
    )
    learning_rate: AboveZero = Field(default=4e-3, description="Peak step size of the optimizer")
    schedule: Literal["constant", "linear", "cosine"] = Field(
        default="linear",
        description="How the learning rate goes from its peak to `final_fraction` of it, over the budget",
    )
    warm_up: Annotated[int, Field(ge=0, le=2**31 - 1)] = Field(
        default=20, description="Steps over which the learning rate rises from zero"
    )
    final_fraction: Fraction = Field(default=0.0, description="Part of `learning_rate` at which the schedule ends")
    optimizer: Literal["adamw", "soap", "adam", "sgd", "rmsprop"] = Field(
        default="adamw",
        description="Rule that updates the weights; soap learns more per step than adamw, and each step takes longer",
    )
    weight_decay: AtLeastZero = Field(default=0.0, description="Decay of the weights, as the optimizer has it")
    momentum: BelowOne = Field(default=0.9, description="Momentum of sgd and rmsprop")
    betas: Betas = Field(
        default=(0.9, 0.99), description="Decay of the two running averages of adamw, soap and adam, per step"
    )
    clip: Annotated[float, Field(gt=0, le=1e30)] | None = Field(
        default=1.0, description="Largest norm of the gradient over all weights; null for no limit"
    )
    accumulate: AtLeastOne = Field(
        default=1, description="Parts into which a batch is split to save memory; divides `batch`"
    )
    average: BelowOne | None = Field(
        default=None,
        description="Decay per step of a moving average of the weights, used instead of them; null for none",
    )
    evaluate_every: AtLeastOne | Literal["auto"] = Field(
        default="auto", description="Steps between evaluations; auto is ten times a run"
    )
    save_every: AtLeastOne | Literal["auto"] = Field(
        default="auto", description="Steps between checkpoints; auto is ten times a run"
    )
    sample_every: AtLeastOne | Literal["auto"] = Field(
        default="auto", description="Steps between samples; auto is at every evaluation"
    )
    patience: AtLeastOne | None = Field(
        default=None, description="Evaluations without improvement after which training stops; null for never"
    )
    precision: Literal["auto", "float32", "bfloat16", "float64"] = Field(
        default="auto", description="Numbers computed with"
    )


class Settings(Section):
    """A whole config of lstmctl."""

    format: Annotated[int, Field(ge=1, le=1)] = Field(default=1, description="Version of this file format")
    task: AnyTask = Field(default_factory=LanguageModel, description="What is learnt")
    data: AnyData = Field(description="What it is learnt from: exactly one source key, and how it is read")
    model: Model = Field(default_factory=Model, description="The network")
    training: Training = Field(default_factory=Training, description="How the network is trained")
    device: Device = Field(default="auto", description="Where to compute: auto, cpu, cuda, cuda:0, mps")
    threads: Threads | Literal["auto"] = Field(default="auto", description="Threads of the processor to compute with")
    seed: Annotated[int, Field(ge=0, le=2**63 - 1)] = Field(
        default=0, description="Start of every random stream: initialisation, order, dropout, sampling"
    )


TASKS: dict[str, type[Section]] = {task.model_fields["type"].default: task for task in get_args(get_args(AnyTask)[0])}
SOURCES: dict[str, type[Section]] = {data.source: data for data in get_args(AnyData)}
DEFAULT_TASK = next(iter(TASKS))
SECTIONS = ("task", "data", "model", "training")
READ_BY: dict[tuple[str, str], tuple[str, ...]] = {
    ("model", "tie_embedding"): ("language-model",),
    ("model", "linear"): ("forecast",),
    ("model", "ridge"): ("forecast",),
    ("model", "channel_embedding"): ("forecast",),
    ("model", "ensemble"): ("forecast",),
    ("model", "attention"): ("transduction",),
    ("training", "window"): ("language-model",),
    ("training", "first_window"): ("language-model",),
    ("training", "state_reset"): ("language-model",),
    ("training", "shorten"): ("forecast",),
}
"""The tasks that read a key of `model` or `training`; every task reads a key that is not here."""


def owners(keys: Iterable[str]) -> list[str]:
    """The sources that a `data` section of these keys may be of; one, unless two are named that exclude each other.
    `text` is a source, and a column of a table."""
    named = {key for key in keys if key in SOURCES}
    return [source for source in SOURCES if source in named and named <= {source, *SOURCES[source].model_fields}]


def json_schema() -> dict[str, Any]:
    """JSON Schema of a config file, for editors."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Settings.model_json_schema()}
