"""Graphs of classifiers, regressions and taggers: a whole sequence in, its answer out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lstmctl.api.trained import Trained
from lstmctl.data.sequences import Numbers
from lstmctl.data.spectra import FLOOR, Spectra
from lstmctl.data.splitting import reported_part
from lstmctl.export.graph import Body, Function, Predictor, Value, Vocabulary
from lstmctl.export.layers import Stack
from lstmctl.export.modules import embedding, linear, numbers
from lstmctl.export.probes import Call, Described, Probe
from lstmctl.export.texts import vocabulary
from lstmctl.models.sequence_labeller import SequenceLabeller
from lstmctl.models.symbol_embedding import SymbolEmbedding
from lstmctl.scoring import evaluating
from lstmctl.tasks.labelled_sequences import LabelledSequences
from lstmctl.tasks.sequence_batches import SequencePart

CHECKED = 40
"""Sequences of the held-out part that an export is checked on."""
EXACT = frozenset({"fourier_real", "fourier_imaginary", "mel", "cosines"})


def describe_labeller(run: Trained) -> Described:
    """Describe a run that predicts from a sequence: scores of labels, for the whole or for each step, or numbers."""
    task, model = run.task, run.model
    assert isinstance(task, LabelledSequences)
    assert isinstance(model, SequenceLabeller)
    functions: dict[str, Function] = {}
    weights: dict[str, NDArray[Any]] = {}
    vocabularies = {"labels": Vocabulary("labels", task.encoding.labels)} if task.encoding.labels else {}
    body = Body("predict", "Answer a whole sequence.", weights)
    if task.encoding.symbols is not None:
        assert isinstance(model.input_map, SymbolEmbedding)
        known = vocabulary(task.encoding.symbols)
        is_new = known.unknown is None and known.kind == "characters"
        if is_new:  # an unknown symbol has the mean of all embeddings
            known = replace(known, entries=(*known.entries, "\ufffd"), unknown=len(known.entries))
        vocabularies["symbols"] = known
        index = body.input("symbols", (None,), "the symbols of the sequence", type="index", vocabulary="symbols")
        x = embedding(body, model.input_map, index, "symbols", unknown=is_new)
    elif task.spectra is not None:
        assert task.encoding.features is not None
        x = _scaled(body, _features(body, task.spectra), task.encoding.features)
    else:
        assert task.encoding.features is not None
        names = task.encoding.features.names
        frames = body.input("frames", (None, len(names)), f"a row per step: {', '.join(names)}", type="float64")
        x = _scaled(body, frames, task.encoding.features)
    stack = Stack(model.recurrence, functions, weights)
    outputs, _ = stack.whole(body, x)
    answer = linear(body, model.head, outputs if model.by_step else stack.summary(body, outputs), "head", "scores")
    if task.encoding.outputs is not None:
        answer = _unscaled(body, answer, task.encoding.outputs)
        body.output("numbers", answer, f"the numbers: {', '.join(task.encoding.outputs.names)}")
    else:
        of = "of the labels of each step" if model.by_step else "of the labels"
        body.output("scores", answer, f"logits {of}", vocabulary="labels")
    functions["predict"] = body.function()
    predictor = Predictor(functions, weights, vocabularies, _facts(task), ("predict",), exact=EXACT)
    return Described(predictor, _probe(run, task, model))


def _facts(task: Any) -> dict[str, Any]:
    if task.spectra is None:
        return {}
    return {"sound": f"one channel, {task.spectra.rate} samples per second, from -1 to 1"}


def _scaled(body: Body, frames: Value, scale: Numbers) -> Value:
    centre = body.weight("feature_centre", np.array(scale.centre, np.float64))
    spread = body.weight("feature_spread", np.array(scale.spread, np.float64))
    return body.cast((body.cast(frames, "float64") - centre) / spread, "float32", "scaled")


def _unscaled(body: Body, answer: Value, scale: Numbers) -> Value:
    centre = body.weight("number_centre", np.array(scale.centre, np.float64))
    spread = body.weight("number_spread", np.array(scale.spread, np.float64))
    return body.binary("add", body.cast(answer, "float64") * spread, centre, "numbers")


def _features(body: Body, spectra: Spectra) -> Value:
    """Write the features of a sound as products with the matrices of a windowed Fourier transform."""
    before = spectra.points // 2 - (spectra.points - spectra.window) // 2
    frames = body.input(
        "stretches",
        (None, spectra.window),
        f"stretches of {spectra.window} samples of the sound, from -1 to 1, {spectra.hop} apart",
        framing=(spectra.window, spectra.hop, before),
    )
    frequency = torch.arange(spectra.points // 2 + 1, dtype=torch.float64).unsqueeze(1)
    offset = (spectra.points - spectra.window) // 2
    angle = 2 * torch.pi / spectra.points * frequency * (torch.arange(spectra.window) + offset)
    window = torch.hann_window(spectra.window, dtype=torch.float64)
    real = body.linear(frames, body.weight("fourier_real", numbers(torch.cos(angle) * window)))
    imaginary = body.linear(frames, body.weight("fourier_imaginary", numbers(torch.sin(angle) * window)))
    power = body.binary("add", body.unary("square", real), body.unary("square", imaginary), "power")
    bands = body.linear(power, body.weight("mel", numbers(spectra.filters.T)))
    features = body.unary("log", bands + FLOOR, "log_mel")
    if spectra.coefficients is not None:
        features = body.linear(features, body.weight("cosines", numbers(spectra.cosines.T)), name="coefficients")
    return features - body.reduce("mean", features, 0) if spectra.centred else features


@torch.no_grad()
def _probe(run: Trained, task: Any, model: SequenceLabeller) -> Probe:
    corpus: Any = run.corpus()
    name = reported_part(corpus.parts)
    sequences = corpus.part(name)
    chosen = np.linspace(0, len(sequences) - 1, min(CHECKED, len(sequences))).astype(int)
    part = SequencePart.of(sequences, torch.device("cpu"))
    calls, steps = [], 0
    encoding = task.encoding
    with evaluating(model):
        for number in chosen.tolist():
            batch = part.batch(torch.tensor([number]))
            answer = task.answers(model, batch)
            answer = answer[:, 0] if model.by_step else answer[0]
            read = sequences.input(number)
            steps += len(read)
            if encoding.symbols is not None:
                inputs = {"symbols": read.astype(np.int64)}
            elif task.spectra is not None:
                samples = corpus.samples(corpus.parts[name][0] + number)
                inputs = {"stretches": framed(samples, task.spectra)}
            else:
                inputs = {"frames": read.astype(np.float64) * encoding.features.spread + encoding.features.centre}
            if encoding.outputs is None:
                calls.append(Call("predict", inputs, {"scores": answer.double().numpy()}))
            else:
                centre, spread = np.array(encoding.outputs.centre), np.array(encoding.outputs.spread)
                expected = {"numbers": answer.double().numpy() * spread + centre}
                calls.append(Call("predict", inputs, expected, scale={"numbers": spread}))
    return Probe(calls, "logits" if encoding.outputs is None else "standard deviations", steps)


def framed(samples: NDArray[np.float32], spectra: Spectra) -> NDArray[np.float32]:
    """Return the stretches of samples (frames, window) that frames are made of."""
    before = spectra.points // 2 - (spectra.points - spectra.window) // 2
    padded = np.pad(samples.astype(np.float32), (before, spectra.window))
    starts = np.arange(spectra.count(len(samples))) * spectra.hop
    found: NDArray[np.float32] = padded[starts[:, None] + np.arange(spectra.window)]
    return found
