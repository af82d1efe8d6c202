"""The config's one typed schema: every key, its type, its bounds, its unit, and the only home of its default.

To add a task: one class here, and its name in `AnyTask`. To add a source of data: one class whose field named like
its `source` is required, and its name in `AnyData`. A task says itself which sources it takes and in which nouns its
budget counts. Rules between fields are in `rules`.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from lstmctl.config.budget import Budget
from lstmctl.config.fields import (
    AtLeastOne,
    BelowOne,
    Betas,
    BudgetField,
    Cell,
    Device,
    Fraction,
    Options,
    Paths,
    Split,
)


class Section(BaseModel):
    """A part of the config: frozen, no unknown keys, no conversions, no NaN or infinity."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


class LanguageModel(Section):
    """Predict the next symbol of a text."""

    sources: ClassVar[tuple[str, ...]] = ("text",)
    nouns: ClassVar[tuple[str, ...]] = ("characters",)
    causal: ClassVar[bool] = True  # a prediction must not see what comes after it

    type: Literal["language-model"] = Field(default="language-model", description="What is learnt")
    shape: Literal["many-to-many", "many-to-one"] = Field(
        default="many-to-many",
        description="many-to-many predicts after every symbol; many-to-one reads a window and predicts the next symbol",
    )


class TextData(Section):
    """One or more text files, read in order as one text."""

    source: ClassVar[str] = "text"

    text: Paths = Field(description="A text file, a folder of them, or a list; relative to the config, then bundled")
    symbols: Literal["characters", "bytes"] = Field(default="characters", description="What one symbol is")
    split: Split = Field(
        default=(0.8, 0.1, 0.1),
        description="Training, validation and (optional) test part, in order of position: fractions that sum to 1, "
        "or whole counts of symbols (an unused tail is allowed)",
    )


# The alternatives of two sections: `task` by its `type`, `data` by the source key it holds.
AnyTask = LanguageModel
AnyData = TextData


class Model(Section):
    """The network."""

    cell: Cell = Field(
        default="lstm", description="The recurrence: rnn, lstm, gru, feedforward, or your own `module:Class`"
    )
    hidden: AtLeastOne = Field(default=256, description="Width of the hidden state, in units")
    layers: AtLeastOne = Field(default=1, description="Recurrent layers stacked on each other")
    embedding: AtLeastOne = Field(default=64, description="Width of the vector that stands for one symbol, in units")
    tie_embedding: bool = Field(default=False, description="Predict with the vectors that also read the symbols")
    dropout: BelowOne = Field(
        default=0.0, description="Chance that a feature is dropped between layers and before the output"
    )
    variational_dropout: bool = Field(default=False, description="Drop the same units at every time step of a window")
    layer_norm: bool = Field(default=False, description="Normalise the output of every layer")
    residual: bool = Field(default=False, description="Add each layer's input to its output, where the widths agree")
    direction: Literal["forward", "bidirectional"] = Field(
        default="forward",
        description="Read forward, or in both directions (not for tasks that predict what comes next)",
    )
    options: Options = Field(default_factory=dict, description="Settings of the cell itself, checked by the cell")


class Training(Section):
    """How the network is trained."""

    budget: BudgetField = Field(
        default=Budget(3e6, "characters"),
        description="How long: steps, epochs, targets that enter the loss (characters), or seconds; k, M, G allowed",
    )
    batch: AtLeastOne = Field(default=32, description="Sequences side by side in one step")
    window: AtLeastOne = Field(default=64, description="Symbols a language model reads in one step (time steps)")
    state_reset: BelowOne = Field(
        default=0.01,
        description="Chance that a lane starts a window from a zero state instead of the one carried to it, so that a "
        "text's first symbols are practised too (many-to-many language models)",
    )
    learning_rate: Annotated[float, Field(gt=0)] = Field(default=4e-3, description="Peak step size of the optimizer")
    schedule: Literal["constant", "linear", "cosine"] = Field(
        default="linear",
        description="How the learning rate goes from its peak to `final_fraction` of it, over the budget",
    )
    warm_up: Annotated[int, Field(ge=0, le=2**31 - 1)] = Field(
        default=20, description="Steps over which the learning rate rises from zero"
    )
    final_fraction: Fraction = Field(default=0.0, description="Part of `learning_rate` at which the schedule ends")
    optimizer: Literal["adamw", "adam", "sgd", "rmsprop"] = Field(
        default="adamw", description="Rule that updates the weights"
    )
    weight_decay: Annotated[float, Field(ge=0)] = Field(
        default=0.0, description="Decay of the weights, as the optimizer has it"
    )
    momentum: BelowOne = Field(default=0.9, description="Momentum of sgd and rmsprop")
    betas: Betas = Field(
        default=(0.9, 0.99), description="Decay of the two running averages of adamw and adam, per step"
    )
    clip: Annotated[float, Field(gt=0)] | None = Field(
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
    threads: AtLeastOne | Literal["auto"] = Field(
        default="auto", description="Threads of the processor to compute with"
    )
    seed: Annotated[int, Field(ge=0, le=2**63 - 1)] = Field(
        default=0, description="Start of every random stream: initialisation, order, dropout, sampling"
    )


def _alternatives(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation) or (annotation,)


TASKS: dict[str, type[Section]] = {task.model_fields["type"].default: task for task in _alternatives(AnyTask)}
SOURCES: dict[str, type[Section]] = {data.source: data for data in _alternatives(AnyData)}
DEFAULT_TASK = next(iter(TASKS))
SECTIONS = ("task", "data", "model", "training")


def json_schema() -> dict[str, Any]:
    """JSON Schema of a config file, for editors."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Settings.model_json_schema()}
