"""Graphs of text models: language models, and generation from a label."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lstmctl.api.trained import Trained
from lstmctl.data.splitting import reported_part
from lstmctl.data.vocabulary import TextEncoding
from lstmctl.export.graph import Body, Function, Predictor, Value, Vocabulary
from lstmctl.export.layers import Stack, embedding, linear, numbers
from lstmctl.export.probes import Described, Probe
from lstmctl.export.tracing import NotExportableError
from lstmctl.models.sequence_model import SequenceModel, TiedHead
from lstmctl.scoring import evaluating
from lstmctl.tasks.language_model import LanguageModel

CHECKED_SYMBOLS = 500
"""Symbols of the held-out part that an export is checked on."""
CHECKED_WINDOWS = 20


def vocabulary(encoding: TextEncoding, **edges: int | None) -> Vocabulary:
    """Return the vocabulary of a text.

    Raises:
        NotExportableError: it is of letters of Hangul syllables.
    """
    if encoding.kind == "decomposed":
        raise NotExportableError(
            "a vocabulary of decomposed Hangul syllables cannot be exported",
            hint="train with data.symbols=characters or data.symbols=bytes",
        )
    unknown = encoding.unknown if encoding.has_unknown else None
    names = [] if encoding.kind == "bytes" else [*encoding.symbols, *["\ufffd"] * encoding.has_unknown]
    return Vocabulary(encoding.kind, tuple(names), unknown=unknown, **edges)


def describe_language_model(run: Trained) -> Described:
    """Describe a language model: the scores of the next symbol after every symbol, or after a window of symbols."""
    task, model = run.task, run.model
    assert isinstance(task, LanguageModel)
    assert isinstance(model, SequenceModel)
    functions: dict[str, Function] = {}
    weights: dict[str, NDArray[Any]] = {}
    stack = Stack(model.recurrence, functions, weights)
    vocabularies = {"symbols": vocabulary(task.encoding, start=task.start)}
    name = "window" if task.many_to_one else "step"
    if task.many_to_one:
        body = Body(name, f"Score the next symbol after the last {task.window} symbols.", weights)
        index = body.input("symbols", (None,), "the last symbols", type="index", vocabulary="symbols")
        outputs, _ = stack.whole(body, embedding(body, model.input_map, index, "symbols"))
        output = stack.summary(body, outputs)
    else:
        body = Body(name, "Read a symbol and score the next one.", weights)
        index = body.input("symbol", (), "the symbol to read", type="index", vocabulary="symbols")
        states = stack.state_inputs(body)
        output, after = stack.step(body, embedding(body, model.input_map, index, "symbols"), states)
    body.output("scores", _head(body, model, output), "logits of the next symbol", vocabulary="symbols")
    if not task.many_to_one:
        stack.state_outputs(body, after)
    functions[name] = body.function()
    facts = {"window": task.window} if task.many_to_one else {}
    predictor = Predictor(functions, weights, vocabularies, facts, (name,))
    return Described(predictor, _probe(run, task, model))


def _head(body: Body, model: SequenceModel, output: Value) -> Value:
    if not isinstance(model.head, TiedHead):
        return linear(body, model.head, output, "head", "scores")
    projected = linear(body, model.head.projection, output, "projection")
    table = body.weight("embedding_symbols", numbers(model.input_map.weight))
    return body.linear(projected, table, body.weight("b_head", numbers(model.head.bias)), name="scores")


def _probe(run: Trained, task: LanguageModel, model: SequenceModel) -> Probe:
    corpus: Any = run.corpus()
    part = task.part(corpus, reported_part(corpus.parts), torch.device("cpu"))
    with torch.no_grad(), evaluating(model):
        if task.many_to_one:
            starts = np.linspace(0, len(part) - task.window, min(CHECKED_WINDOWS, len(part) - task.window + 1))
            windows = [part[int(start) : int(start) + task.window].long() for start in starts]
            scores = [
                model.head(model.features(window.unsqueeze(1), model.initial_state(1))[0][-1])[0] for window in windows
            ]
            expected = [{"scores": score.double().numpy()} for score in scores]
            inputs = [{"symbols": window.numpy()} for window in windows]
            return Probe("window", inputs, expected, "logits", {}, task.window * len(windows))
        text = part[:CHECKED_SYMBOLS].long()
        every, _ = model(text.unsqueeze(1), model.initial_state(1))
    return Probe(
        "step",
        [{"symbol": np.asarray(symbol)} for symbol in text.numpy()],
        [{"scores": scores} for scores in every[:, 0].double().numpy()],
        "logits",
        {},
        len(text),
    )
