"""The config's typed schema: every key, its type, bounds, unit and default.

To add a task, add one class here and its name in `AnyTask`. To add a data source, add one class with a required field
named like its `source`, and its name in `AnyData`. A task declares which sources it takes, which units its budget may
use, what its runs can do (`abilities`), and which keys of other sections it alone reads (`reads`). Rules between fields
are in `rules`.
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
    FileNames,
    Fraction,
    HeldOut,
    Holidays,
    Layers,
    Lengths,
    Levels,
    Names,
    Options,
    Paths,
    RowSplit,
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
"""The keys that a run's `data` section contained, all of them, before `split_by` was added."""

Ability = Literal["write", "write for a label", "forecast", "predict texts", "predict tables", "read tables"]
"""Abilities that commands look up in a task; `read tables` means scoring tables that a run was not trained on."""


Seed = Annotated[int, Field(ge=0, le=2**63 - 1)]
Vocabulary = Literal["training", "all"]


class Section(BaseModel):
    """A section of the config: frozen, without unknown keys, conversions, NaN or infinity."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


class LanguageModel(Section):
    """Predict the next symbol of a text."""

    sources: ClassVar[tuple[str, ...]] = ("text",)
    nouns: ClassVar[tuple[str, ...]] = ("characters",)
    budget: ClassVar[str] = "3M characters"  # if the config sets none
    causal: ClassVar[bool] = True  # predictions must not depend on later input
    abilities: ClassVar[tuple[Ability, ...]] = ("write", "predict texts")
    reads: ClassVar[tuple[str, ...]] = (
        "model.tie_embedding",
        "model.ngram",
        "training.window",
        "training.first_window",
        "training.state_reset",
    )

    type: Literal["language-model"] = Field(default="language-model", description="The task")
    shape: Literal["many-to-many", "many-to-one"] = Field(
        default="many-to-many",
        description="many-to-many predicts after every symbol; many-to-one reads a window and predicts the next symbol",
    )


class Forecast(Section):
    """Forecast time series."""

    sources: ClassVar[tuple[str, ...]] = ("series",)
    nouns: ClassVar[tuple[str, ...]] = ("windows",)
    budget: ClassVar[str] = "10 epochs"
    causal: ClassVar[bool] = True
    abilities: ClassVar[tuple[Ability, ...]] = ("forecast", "read tables")
    reads: ClassVar[tuple[str, ...]] = (
        "model.linear",
        "model.ridge",
        "model.channel_embedding",
        "model.ensemble",
        "training.shorten",
    )

    type: Literal["forecast"] = Field(default="forecast", description="The task")
    shape: Literal["many-to-many", "many-to-one"] = Field(
        default="many-to-many",
        description="many-to-one forecasts from the last state alone; many-to-many steps through the horizon",
    )
    decoding: Literal["parallel", "refined", "recursive", "encoder-decoder"] = Field(
        default="parallel",
        description="Decoding of a many-to-many horizon: all segments in parallel from the last state; the same, "
        "refined by a recurrence over the channels; one segment after another from its own forecasts; or by a second "
        "recurrence that starts from the last state",
    )
    lookback: AtLeastOne = Field(default=96, description="Rows that a forecast is based on (time steps)")
    horizon: AtLeastOne = Field(default=24, description="Rows to forecast (time steps)")
    segment: AtLeastOne = Field(
        default=1, description="Rows per step of the recurrence; divides lookback, and a many-to-many horizon"
    )
    channels: Literal["independent", "joint"] = Field(
        default="independent",
        description="Target columns as separate sequences with shared weights, or as one joint sequence",
    )
    loss: Literal["mse", "mae", "huber", "quantile", "gaussian", "student-t"] = Field(
        default="mse",
        description="Training loss: the error of a point forecast, or the loss of quantiles or a distribution",
    )
    normalisation: Literal["last", "window", "none"] = Field(
        default="last",
        description="Normalisation of each window, undone in its forecast: by its last value, by its mean and "
        "deviation, or none",
    )
    symmetry: Literal["none", "odd"] = Field(
        default="none",
        description="odd: a negated window has the negated forecast; windows are negated at random in training, and a "
        "forecast is the mean over the window and its negation",
    )
    levels: Levels = Field(default=(80, 90), description="Interval levels to forecast, in percent")
    calibration: Literal["separate", "shared", "none"] = Field(
        default="separate",
        description="Rows that calibrate the intervals: the second half of the validation part (only its first half "
        "then selects the weights), the whole part (shared with that selection), or none",
    )
    final_fit: Literal["continue", "anew", "none"] = Field(
        default="anew",
        description="Training after the scores, for forecasts alone, on all rows including the validation and test "
        "parts: anew, for the number of epochs that the chosen weights took, which takes longer than the training; "
        "continue from them, for a fraction of it; or none",
    )
    season: AtLeastOne | Literal["auto"] = Field(
        default="auto",
        description="Rows after which the series repeat, for the seasonal baseline and MASE; auto derives it from the "
        "step",
    )


class Classification(Section):
    """Predict the class of a sequence."""

    sources: ClassVar[tuple[str, ...]] = ("table", "audio", "synthetic")
    nouns: ClassVar[tuple[str, ...]] = ("sequences",)
    budget: ClassVar[str] = "10 epochs"
    causal: ClassVar[bool] = False  # a sequence is available as a whole
    abilities: ClassVar[tuple[Ability, ...]] = ("predict texts", "predict tables", "read tables")
    reads: ClassVar[tuple[str, ...]] = ()

    type: Literal["classification"] = Field(default="classification", description="The task")
    shape: Literal["many-to-one"] = Field(default="many-to-one", description="One label per sequence")
    class_weights: Literal["none", "balanced"] = Field(
        default="none",
        description="balanced: weight sequences in the loss by the inverse frequency of their class, so that all "
        "classes have the same total weight",
    )


class Regression(Section):
    """Predict one or several numbers from a sequence."""

    sources: ClassVar[tuple[str, ...]] = ("table", "synthetic")
    nouns: ClassVar[tuple[str, ...]] = ("sequences",)
    budget: ClassVar[str] = "10 epochs"
    causal: ClassVar[bool] = False
    abilities: ClassVar[tuple[Ability, ...]] = ("predict texts", "predict tables", "read tables")
    reads: ClassVar[tuple[str, ...]] = ()

    type: Literal["regression"] = Field(default="regression", description="The task")
    shape: Literal["many-to-one"] = Field(default="many-to-one", description="Numbers for a whole sequence")
    loss: Literal["mse", "mae", "huber"] = Field(default="mse", description="Training loss")


class Tagging(Section):
    """Predict a label for every step of a sequence."""

    sources: ClassVar[tuple[str, ...]] = ("table", "audio", "synthetic")
    nouns: ClassVar[tuple[str, ...]] = ("sequences",)
    budget: ClassVar[str] = "10 epochs"
    causal: ClassVar[bool] = False
    abilities: ClassVar[tuple[Ability, ...]] = ("predict texts", "predict tables", "read tables")
    reads: ClassVar[tuple[str, ...]] = ()

    type: Literal["tagging"] = Field(default="tagging", description="The task")
    shape: Literal["many-to-many"] = Field(default="many-to-many", description="One label per step")
    class_weights: Literal["none", "balanced"] = Field(
        default="none",
        description="balanced: weight steps in the loss by the inverse frequency of their label, so that all labels "
        "have the same total weight",
    )


class Transduction(Section):
    """Generate one text from another with an encoder and a decoder."""

    sources: ClassVar[tuple[str, ...]] = ("pairs",)
    nouns: ClassVar[tuple[str, ...]] = ("sequences",)
    budget: ClassVar[str] = "10 epochs"
    causal: ClassVar[bool] = False  # the direction applies to the encoder
    abilities: ClassVar[tuple[Ability, ...]] = ("predict texts", "predict tables", "read tables")
    reads: ClassVar[tuple[str, ...]] = ("model.attention",)

    type: Literal["transduction"] = Field(default="transduction", description="The task")
    shape: Literal["many-to-many"] = Field(
        default="many-to-many", description="Read a whole text, then generate another of any length"
    )


class GenerationFromLabel(Section):
    """Generate a text from a label."""

    sources: ClassVar[tuple[str, ...]] = ("table",)
    nouns: ClassVar[tuple[str, ...]] = ("sequences",)
    budget: ClassVar[str] = "10 epochs"
    causal: ClassVar[bool] = True
    abilities: ClassVar[tuple[Ability, ...]] = ("write for a label", "read tables")
    reads: ClassVar[tuple[str, ...]] = ()

    type: Literal["generation-from-label"] = Field(default="generation-from-label", description="The task")
    shape: Literal["one-to-many"] = Field(default="one-to-many", description="A text of any length from one label")


class TextData(Section):
    """One or more text files, read in order as one text."""

    source: ClassVar[str] = "text"

    text: Paths = Field(
        description="A text file, a folder of them, a list, or prepared text; searched for relative to the config, "
        "then among the bundled data"
    )
    symbols: Literal["characters", "decomposed", "bytes"] = Field(
        default="characters",
        description="Unit of a symbol: characters; decomposed for characters with Hangul syllables as their letters; "
        "or bytes of UTF-8",
    )
    split: Split = Field(
        default=(0.8, 0.1, 0.1),
        description="Training, validation and (optional) test part, in order of position: fractions that sum to 1, "
        "or whole counts of symbols (an unused tail is allowed)",
    )
    emphasis: Annotated[float, Field(ge=1, le=1e6)] = Field(
        default=1.0,
        description="Weight in the training loss of the characters that distinguish a recalled answer from the other "
        "answers in the table of dependencies next to the text, NAME-dependencies.csv. Reported losses are unweighted",
    )


class SeriesData(Section):
    """A table of time series, with one row per time (and series)."""

    source: ClassVar[str] = "series"

    series: Paths = Field(
        description="A CSV, TSV or Parquet file: wide (a date, then one column per series) or long (unique_id, ds, y); "
        "or a prepared table"
    )
    time: str | None = Field(
        default=None,
        description="Column of dates or whole numbers, or columns joined by + (year+month+day); null to detect it",
    )
    id: str | None = Field(default=None, description="Column that names each row's series; null to detect it")
    targets: SomeNames | None = Field(
        default=None,
        description="Columns to forecast; null for `y` of a long table, else every numeric column without another use",
    )
    past: Names = Field(default=(), description="Covariate columns that are known only up to the present")
    known: Names = Field(default=(), description="Columns whose future values are known, over the horizon too")
    static: Names = Field(default=(), description="Columns that are constant within a series")
    categories: Names = Field(
        default=(),
        description="Columns of past, known or static that hold categories, such as names, each of which has a learned "
        "vector",
    )
    calendar: Calendar = Field(
        default=(),
        description="Features derived from the dates, known in advance: phases as sine and cosine, the last and first "
        "days of months (month-end), and the days of data.holidays and next to them (holiday)",
    )
    step: TimeStep = Field(
        default="auto",
        description="Time between rows: auto, `15 minutes`, `1 hour`, `1 day`, `business days`, `1 month`, `1 row` …",
    )
    holidays: Holidays = Field(
        default=(),
        description="Days that business days leave out, or that data.calendar=[holiday] marks: dates, a file with one "
        "date per line, or a country or exchange (US, DE-BY, NYSE; needs lstmctl[holidays])",
    )
    date_format: str | None = Field(
        default=None,
        description="Date format, such as %d.%m.%Y %H:%M, or seconds, milliseconds, microseconds, nanoseconds (since "
        "1970), excel or excel-1904 (days of a spreadsheet); null to detect it",
    )
    zone: Zone = Field(
        default=None,
        description="Time zone to convert dates to, UTC or an offset such as +02:00; or the place by whose clock they "
        "are, with daylight saving time, such as Europe/Vienna; null keeps the table's own clock",
    )
    separator: Literal["auto", ",", ";", "\t", "|"] = Field(default="auto", description="Column separator")
    decimal: Literal["auto", ".", ","] = Field(
        default="auto",
        description="Decimal separator; the other character may then separate thousands",
    )
    order: Literal["error", "sort"] = Field(default="error", description="Treatment of rows that are out of order")
    duplicates: Literal["error", "first", "last", "mean"] = Field(
        default="error", description="Treatment of several rows with the same time"
    )
    missing: Literal["error", "forward-fill", "interpolate", "mask"] = Field(
        default="error",
        description="Treatment of missing values and rows; mask gives the network a mask and leaves them unscored",
    )
    transform: Literal["none", "log", "log1p", "box-cox"] = Field(
        default="none",
        description="Transform of the targets before they are scaled, undone in forecasts and their intervals: the "
        "logarithm (log; of 1 + value: log1p), or the power from 0 to 1 that evens out the variation of each series "
        "(box-cox)",
    )
    scaler: Literal["standard", "robust", "min-max", "none"] = Field(
        default="standard", description="Scaling of each series, based on its training rows only"
    )
    split: SeriesSplit = Field(
        default=(0.7, 0.1, 0.2),
        description="Training, validation and (optional) test part, in order of time: fractions that sum to 1, whole "
        "counts of rows (an unused tail is allowed), the last rows or horizons of each series such as "
        "[rest, 24 rows, 1 horizon], or the dates at which the later parts begin",
    )
    split_by: Literal["auto", "dates", "series"] = Field(
        default="auto",
        description="Splitting of several series by fractions: all at the same dates, each series by its own length, "
        "or auto: at the same dates if the series overlap in time",
    )

    @model_validator(mode="before")
    @classmethod
    def _keep_the_parts_of_older_runs(cls, values: Any) -> Any:
        """Split by series if the config is from a run older than `split_by`: such a config lists all other keys."""
        if isinstance(values, dict) and "split_by" not in values and values.keys() >= BEFORE_SPLIT_BY:
            return {**values, "split_by": "series"}
        return values


class TableData(Section):
    """A table of labelled sequences, with one row per text or one row per frame."""

    source: ClassVar[str] = "table"

    table: Paths = Field(
        description="A CSV, TSV or Parquet file: one row per text with its label, or one row per frame"
    )
    text: str | None = Field(
        default=None, description="Column of texts, each a sequence of characters; null for `text`, if it exists"
    )
    sequence: str | None = Field(
        default=None,
        description="Column that names the sequence of each frame, in consecutive rows; null for `sequence`",
    )
    features: SomeNames | None = Field(
        default=None, description="Numeric columns of a frame; null for every column without another use"
    )
    label: SomeNames | None = Field(
        default=None,
        description="Column of labels, or columns of numbers (regression); null for `label`, `labels` or `target`. For "
        "tagging a text: one label character per character, or one label per character, separated by spaces",
    )
    window: AtLeastOne | None = Field(
        default=None,
        description="Frames per sequence if a long recording has no column of sequences: it is cut into windows",
    )
    stride: AtLeastOne | None = Field(
        default=None, description="Frames from the start of one such window to the next; null for no overlap or gap"
    )
    separator: Literal["auto", ",", ";", "\t", "|"] = Field(default="auto", description="Column separator")
    decimal: Literal["auto", ".", ","] = Field(
        default="auto",
        description="Decimal separator; the other character may then separate thousands",
    )
    scaler: Literal["standard", "min-max", "none"] = Field(
        default="standard",
        description="Scaling of features and of numbers to predict, based on the training part only",
    )
    split: Split = Field(
        default=(0.8, 0.1, 0.1),
        description="Training, validation and (optional) test part: fractions that sum to 1, or whole counts of "
        "sequences (an unused tail is allowed)",
    )
    split_by: RowSplit = Field(
        default="auto",
        description="Order in which sequences are split: order (of the file), random (stratified by label), time, "
        "time:COLUMN, or group:COLUMN (a group is in one part only). auto, for classification and regression: by a "
        "column of groups or dates if there is one, else random; for other tasks and windows: order",
    )
    split_seed: Seed = Field(default=0, description="Seed of a random split; independent of the run's `seed`")
    test: Paths | None = Field(
        default=None, description="A table with the test part; `split` then divides `table` into the other two"
    )
    vocabulary: Vocabulary = Field(
        default="training",
        description="Characters that the network knows: from the training part, with one learned symbol for all "
        "others; or from all parts",
    )


class PairsData(Section):
    """Pairs of texts, one per line: source, tab, target."""

    source: ClassVar[str] = "pairs"

    pairs: Paths = Field(description="A text file with one pair per line: source, tab, target")
    split: Split = Field(
        default=(0.8, 0.1, 0.1),
        description="Training, validation and (optional) test part: fractions that sum to 1, or whole counts of pairs "
        "(an unused tail is allowed)",
    )
    split_by: Literal["order", "random"] = Field(
        default="order", description="Order in which pairs are split: as in the file, or random"
    )
    split_seed: Seed = Field(default=0, description="Seed of a random split; independent of the run's `seed`")
    test: Paths | None = Field(
        default=None, description="A file with the test part; `split` then divides `pairs` into the other two"
    )
    vocabulary: Vocabulary = Field(
        default="training",
        description="Characters that the network knows, on each side: from the training part, with one symbol for "
        "all others; or from all parts",
    )


class AudioData(Section):
    """Sound: one clip per audio file."""

    source: ClassVar[str] = "audio"

    audio: Paths = Field(
        description="A folder of WAV, FLAC or OGG files with one folder per label; or a table with the columns file "
        "and label (for tagging: file, start, end in seconds, label), and optionally speaker"
    )
    file_names: FileNames = Field(
        default=None,
        description="Pattern of the file names of a folder, without the extension, such as {label}_{speaker}_{take} or "
        "{speaker}/{label}; null if the label is the name of the file's folder",
    )
    background: Annotated[str, Field(min_length=1)] = Field(
        default="background", description="Label of the frames outside all stretches of a table (tagging)"
    )
    rate: AtLeastOne | Literal["auto"] = Field(
        default="auto",
        description="Sampling rate in Hz that all files are resampled to; auto for the most frequent, at most 16000",
    )
    frames: Literal["log-mel", "mfcc"] = Field(
        default="log-mel", description="Features of a frame: log-mel spectrum, or cepstral coefficients made from it"
    )
    bands: AtLeastOne = Field(default=40, description="Number of mel bands")
    coefficients: AtLeastOne = Field(default=13, description="Number of cepstral coefficients (mfcc)")
    frame_length: AboveZero = Field(default=25.0, description="Length of a frame, in milliseconds")
    frame_step: AboveZero = Field(default=10.0, description="Time from one frame to the next, in milliseconds")
    centre: Literal["clip", "none"] = Field(
        default="none",
        description="clip: subtract the mean of each feature over the clip, which removes what is constant in a "
        "recording, such as its level and the effect of the microphone; or none",
    )
    longest: AboveZero = Field(
        default=60.0, description="Maximum length of a clip to train on, in seconds: all its frames are kept in memory"
    )
    noise: AtLeastZero = Field(
        default=0.0,
        description="Maximum level of white noise added to clips in training, relative to the clip's own level (0.1 is "
        "20 dB below it); a new level is drawn for each clip at every step",
    )
    shift: AtLeastZero = Field(
        default=0.0,
        description="Maximum shift of clips in training, in seconds, to both sides; a new shift is drawn for each clip "
        "at every step",
    )
    scaler: Literal["standard", "min-max", "none"] = Field(
        default="standard", description="Scaling of features, based on the training part only"
    )
    split: Split = Field(
        default=(0.8, 0.1, 0.1),
        description="Training, validation and (optional) test part: fractions that sum to 1, or whole counts, of clips "
        "or of speakers",
    )
    split_by: Literal["clip", "speaker"] = Field(
        default="clip",
        description="clip: each label and speaker has about the same share of every part; speaker: every speaker is in "
        "one part only",
    )
    held_out: HeldOut = Field(
        default=None,
        description="Patterns of file names, such as *_0.wav, or with split_by speaker the speakers, that make up the "
        "last part; split then divides the rest",
    )


class SyntheticData(Section):
    """A test of long memory: generated sequences, new ones at every training step."""

    source: ClassVar[str] = "synthetic"
    tasks: ClassVar[dict[str, str]] = {
        "adding": "regression",
        "multiplication": "regression",
        "temporal-order": "classification",
        "temporal-order-4": "classification",
        "first-symbol": "classification",
        "copy": "tagging",
        "reber": "tagging",
        "parity": "classification",
        "modular-arithmetic": "classification",
        "anbn": "tagging",
        "anbncn": "tagging",
        "dyck-1": "tagging",
        "dyck-2": "tagging",
        "flip-flop": "tagging",
        "associative-recall": "classification",
        "selective-copy": "tagging",
    }
    precision: ClassVar[str] = "float32"  # bfloat16 would lose the small increments of a long memory

    synthetic: Literal[
        "adding",
        "multiplication",
        "temporal-order",
        "temporal-order-4",
        "first-symbol",
        "copy",
        "reber",
        "parity",
        "modular-arithmetic",
        "anbn",
        "anbncn",
        "dyck-1",
        "dyck-2",
        "flip-flop",
        "associative-recall",
        "selective-copy",
    ] = Field(description="The test; data/synthetic.py and data/formal_languages.py describe each")
    length: AtLeastOne = Field(
        default=100,
        description="Steps per sequence; the delay for copy; the minimum number of symbols for reber; the maximum "
        "number of steps for the tests of data/formal_languages.py",
    )
    held_out: AtLeastOne = Field(default=2000, description="Sequences in the validation part, and in the test part")
    test_lengths: Lengths = Field(
        default=(), description="Further lengths to test on, for length generalisation, such as [80, 160, 320]"
    )


# The alternatives for two sections: `task` is selected by its `type`, `data` by its source key.
AnyTask = Annotated[
    LanguageModel | Forecast | Classification | Regression | Tagging | Transduction | GenerationFromLabel,
    Field(discriminator="type"),
]


AnyData = TextData | SeriesData | TableData | PairsData | AudioData | SyntheticData


class Model(Section):
    """The network."""

    cell: Cell = Field(
        default="lstm", description="The cell, as `lstmctl cells list` shows them, or your own `module:Class`"
    )
    hidden: AtLeastOne = Field(default=256, description="Width of the hidden state, in units")
    layers: Layers = Field(default=1, description="Number of stacked recurrent layers")
    embedding: AtLeastOne = Field(default=64, description="Width of the vector that represents a symbol, in units")
    tie_embedding: bool = Field(
        default=False, description="Use the input embedding for the output too (language models)"
    )
    dropout: BelowOne = Field(
        default=0.0, description="Probability of dropping a feature between layers and before the output"
    )
    variational_dropout: bool = Field(default=False, description="Drop the same units at every time step of a window")
    layer_norm: bool = Field(default=False, description="Normalise the output of every layer")
    residual: bool = Field(default=False, description="Add each layer's input to its output if the widths are equal")
    linear: bool = Field(
        default=False, description="Add a linear map from lookback to horizon to the recurrence's output (forecasts)"
    )
    ridge: Fraction | Literal["auto"] = Field(
        default=0.0,
        description="Weight of a ridge regression from lookback to horizon in the forecast, with the rest for the "
        "network: if both are about equally good, their mean has a smaller error than either; auto chooses the weights "
        "of the network, the ridge regression and the other baselines on held-out rows (forecasts)",
    )
    ngram: Fraction | Literal["auto"] = Field(
        default=0.0,
        description="Weight of an n-gram model of the training part in the prediction, with the rest for the network; "
        "auto chooses it on the validation part. The run keeps the training text then (language models)",
    )
    channel_embedding: bool = Field(
        default=True, description="Add an embedding of the channel if channels are independent (forecasts)"
    )
    ensemble: Layers = Field(
        default=1, description="Networks trained in parallel whose forecasts are averaged (forecasts)"
    )
    direction: Literal["forward", "bidirectional"] = Field(
        default="forward",
        description="Read forwards, or in both directions (not for tasks that predict what comes next)",
    )
    attention: bool = Field(
        default=False,
        description="Let the decoder attend to every step of the encoder (transduction; Luong, Pham & Manning 2015)",
    )
    options: Options = Field(default_factory=dict, description="Cell-specific settings, checked by the cell")


class Training(Section):
    """Training of the network."""

    budget: BudgetField = Field(
        default=Budget(3e6, "characters"),
        description="Amount of training: steps, epochs, targets that enter the loss (characters; windows of a "
        "forecast, by default 10 epochs), or seconds; with k, M or G if needed",
    )
    batch: Batch = Field(
        default=32,
        description="Sequences processed together in one step (for forecasts: windows, each with all its channels)",
    )
    window: AtLeastOne = Field(default=64, description="Symbols that a language model reads in one step (time steps)")
    first_window: AtLeastOne | None = Field(
        default=None,
        description="Length of the first windows; it doubles up to `window`, in stages of equal length with the "
        "same number of symbols per step: short dependencies are learned first (many-to-many language models)",
    )
    state_reset: BelowOne = Field(
        default=0.01,
        description="Probability that a lane starts a window from a zero state instead of its carried state, so that "
        "the first symbols of a text are practised too (many-to-many language models)",
    )
    shorten: Fraction = Field(
        default=0.0,
        description="Probability of hiding a random number of a window's oldest segments, which makes the network rely "
        "less on the distant past (forecasts)",
    )
    learning_rate: AboveZero = Field(default=4e-3, description="Peak learning rate of the optimizer")
    schedule: Literal["constant", "linear", "cosine"] = Field(
        default="linear",
        description="Schedule of the learning rate from its peak to `final_fraction` of it, over the budget",
    )
    warm_up: Annotated[int, Field(ge=0, le=2**31 - 1)] = Field(
        default=20, description="Steps over which the learning rate rises from zero"
    )
    final_fraction: Fraction = Field(default=0.0, description="Fraction of `learning_rate` at which the schedule ends")
    optimizer: Literal["adamw", "soap", "adam", "sgd", "rmsprop"] = Field(
        default="adamw",
        description="Update rule of the weights; soap learns more per step than adamw, but its steps take longer",
    )
    weight_decay: AtLeastZero = Field(default=0.0, description="Weight decay, as defined by the optimizer")
    momentum: BelowOne = Field(default=0.9, description="Momentum of sgd and rmsprop")
    betas: Betas = Field(
        default=(0.9, 0.99), description="Decay per step of the two running averages of adamw, soap and adam"
    )
    clip: Annotated[float, Field(gt=0, le=1e30)] | None = Field(
        default=1.0, description="Maximum norm of the gradient over all weights; null for no limit"
    )
    accumulate: AtLeastOne = Field(
        default=1, description="Parts into which a batch is split to save memory; divides `batch`"
    )
    freeze: Names = Field(
        default=(),
        description="Weights that training leaves unchanged, by name or a part of it between dots: `recurrence`, "
        "`recurrence.forward_cells.0`, `head.bias`",
    )
    average: BelowOne | None = Field(
        default=None,
        description="Decay per step of a moving average of the weights, which is used instead of them; null for none",
    )
    evaluate_every: AtLeastOne | Literal["auto"] = Field(
        default="auto", description="Steps between evaluations; auto for ten evaluations per run"
    )
    save_every: AtLeastOne | Literal["auto"] = Field(
        default="auto", description="Steps between checkpoints; auto for ten checkpoints per run"
    )
    sample_every: AtLeastOne | Literal["auto"] = Field(
        default="auto", description="Steps between samples; auto for a sample at every evaluation"
    )
    patience: AtLeastOne | None = Field(
        default=None, description="Evaluations without improvement after which training stops; null for no limit"
    )
    precision: Literal["auto", "float32", "bfloat16", "float64"] = Field(
        default="auto", description="Number format of the computation"
    )


class Settings(Section):
    """A complete lstmctl config."""

    format: Annotated[int, Field(ge=1, le=1)] = Field(default=1, description="Version of this file format")
    task: AnyTask = Field(default_factory=LanguageModel, description="The task")
    data: AnyData = Field(description="The data: exactly one source key, and how to read it")
    model: Model = Field(default_factory=Model, description="The network")
    training: Training = Field(default_factory=Training, description="Training of the network")
    device: Device = Field(default="auto", description="Device to compute on: auto, cpu, cuda, cuda:0, mps")
    threads: Threads | Literal["auto"] = Field(default="auto", description="Number of CPU threads")
    seed: Seed = Field(default=0, description="Seed of all random streams: initialisation, order, dropout, sampling")


TASKS: dict[str, Any] = {task.model_fields["type"].default: task for task in get_args(get_args(AnyTask)[0])}
SOURCES: dict[str, type[Section]] = {data.source: data for data in get_args(AnyData)}
DEFAULT_TASK = next(iter(TASKS))
SECTIONS = ("task", "data", "model", "training")
READ_BY: dict[tuple[str, str], tuple[str, ...]] = {
    (section, key): tuple(name for name, task in TASKS.items() if f"{section}.{key}" in task.reads)
    for section, _, key in (
        name.partition(".") for name in dict.fromkeys(key for task in TASKS.values() for key in task.reads)
    )
}
"""The tasks that read a key of `model` or `training`; keys that are not listed are read by every task."""


def tasks_with(ability: Ability) -> tuple[str, ...]:
    """Return the values of `task.type` whose runs have an ability."""
    return tuple(name for name, task in TASKS.items() if ability in task.abilities)


def owners(keys: Iterable[str]) -> list[str]:
    """Return the sources that a `data` section with these keys may have: one, unless keys of different sources are set.
    `text` is both a source and a column of a table."""
    named = {key for key in keys if key in SOURCES}
    return [source for source in SOURCES if source in named and named <= {source, *SOURCES[source].model_fields}]


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a config file, for editors."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Settings.model_json_schema()}
