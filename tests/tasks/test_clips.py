"""Clips of sound learned from end to end: trained, scored, predicted, resumed, compared, inspected and reported."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import lstmctl
from lstmctl import inspection
from lstmctl.api.assembly import build_task, open_data
from lstmctl.config import from_mapping
from lstmctl.data.prediction_table import as_csv
from lstmctl.data.recordings import read_recording
from lstmctl.errors import DataError, UsageError
from lstmctl.events import Event, Stepped
from lstmctl.reporting.blocks import plots
from lstmctl.reporting.history import read_history
from lstmctl.reporting.run_page import run_blocks
from lstmctl.reporting.stored_evaluation import read_evaluation
from lstmctl.tasks.clip_augmentation import Waves
from tests.sounds import RATE, tone, wave_bytes, write_beeps, write_glides

CPU = torch.device("cpu")
DATA = {"file_names": "{label}_{speaker}_{take}", "split": [0.5, 0.25, 0.25], "bands": 12}
CHANGED = {"noise": 0.1, "shift": 0.02}


def config(task: str, audio: Path, **data: Any) -> dict[str, Any]:
    return {
        "task": {"type": task},
        "data": {"audio": str(audio), **data},
        "model": {"cell": "gru", "hidden": 12, "direction": "bidirectional"},
        "training": {"budget": "60 steps", "batch": 6, "learning_rate": 2e-2, "precision": "float32"},
        "threads": 1,
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where the clips and runs of this module are kept."""
    with pytest.MonkeyPatch.context() as patch:
        where = tmp_path_factory.mktemp("clips")
        patch.setenv("LSTMCTL_RUNS", str(where / "runs"))
        write_glides(where / "glides")
        write_beeps(where / "beeps")
        yield where


@pytest.fixture(scope="module")
def classifier(folder: Path) -> lstmctl.Run:
    return lstmctl.train(config("classification", folder / "glides", **DATA, **CHANGED))


@pytest.fixture(scope="module")
def tagger(folder: Path) -> lstmctl.Run:
    return lstmctl.train(config("tagging", folder / "beeps" / "beeps.csv", bands=12, shift=0.03))


def test_clips_are_learned_that_differ_only_in_the_order_of_their_frames(classifier: lstmctl.Run) -> None:
    evaluation = classifier.evaluate("test")
    assert evaluation.metrics["accuracy"] > 0.9
    assert list(evaluation.baselines) == ["majority", "bag of frames", "mean and spread of frames"]
    assert evaluation.metrics["accuracy"] > max(one["accuracy"] for one in evaluation.baselines.values())
    assert evaluation.windows == 12


def test_one_file_and_many_are_predicted(classifier: lstmctl.Run, folder: Path) -> None:
    glides = folder / "glides"
    told = classifier.predict(glides)
    assert [one.sequence for one in told] == sorted(path.name for path in glides.glob("*.wav"))
    right = [one.label == one.sequence.partition("_")[0] for one in told]
    assert sum(right) > 0.9 * len(right)
    alone = classifier.predict(glides / told[0].sequence, glides / told[-1].sequence)
    for one, other in zip(alone, (told[0], told[-1]), strict=True):
        assert one.sequence == f"glides/{other.sequence}"
        assert one.probabilities == pytest.approx(other.probabilities, abs=1e-4)
    assert classifier.evaluate(file=glides).metrics["accuracy"] == pytest.approx(sum(right) / len(right))


def test_a_run_reads_clips_of_other_kinds(
    classifier: lstmctl.Run, folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    samples = read_recording(folder / "glides" / "up_ann_0.wav").samples
    (before,) = classifier.predict(folder / "glides" / "up_ann_0.wav")
    twice = np.repeat(np.stack([samples, samples], 1), 4, axis=0)
    (tmp_path / "twice.wav").write_bytes(wave_bytes(twice, 4 * RATE, "24"))
    (tmp_path / "long.wav").write_bytes(wave_bytes(np.tile(samples, 100)))
    (tmp_path / "silent.wav").write_bytes(wave_bytes(np.zeros(400)))
    told = classifier.predict(*(tmp_path / f"{name}.wav" for name in ("twice", "long", "silent")))
    assert told[0].label == before.label == "up"
    assert sum(told[1].probabilities.values()) == pytest.approx(1)
    assert "1 clip is silent, with all samples equal" in caplog.text
    (tmp_path / "hours.wav").write_bytes(wave_bytes(np.zeros(4_100_000), kind="8"))
    with pytest.raises(DataError, match=r"hours\.wav has 102,501 frames, but a clip may have 100,000 at most"):
        classifier.predict(tmp_path / "hours.wav")
    (tmp_path / "odd_bob_1.wav").write_bytes(wave_bytes(tone(300)))
    (tmp_path / "up_bob_1.wav").write_bytes(wave_bytes(tone(300)))
    assert [one.sequence for one in classifier.predict(tmp_path / "odd_bob_1.wav")] == [
        f"{tmp_path.name}/odd_bob_1.wav"
    ]
    for name in ("twice", "long", "silent", "hours"):
        (tmp_path / f"{name}.wav").unlink()
    with pytest.raises(DataError, match=r"odd_bob_1\.wav: `odd` is not a label of the run"):
        classifier.evaluate(file=tmp_path)
    with pytest.raises(UsageError, match="this run reads sound, not text"):
        classifier.predict(texts=["up"])


def test_stretches_of_time_are_predicted(tagger: lstmctl.Run, folder: Path) -> None:
    assert tagger.evaluate("test").metrics["accuracy"] > 0.9
    assert list(tagger.evaluate("test").baselines) == ["majority", "frame alone"]
    (told,) = tagger.predict(folder / "beeps" / "0.wav")
    assert told.seconds == 0.01
    assert len(told.labels) == 31
    header, *rows = as_csv([told], texts=False).splitlines()
    assert header == "file,start,end,label"
    stretches = [row.split(",") for row in rows]
    assert stretches[0][:3:2] == ["beeps/0.wav", stretches[1][1]]
    assert float(stretches[-1][2]) == pytest.approx(0.31)
    labels = [label for _, start, end, label in stretches for _ in range(round(100 * (float(end) - float(start))))]
    assert tuple(labels) == told.labels
    _, start, end, _ = next(
        row.split(",") for row in (folder / "beeps" / "beeps.csv").read_text().splitlines() if row.startswith("0.wav")
    )
    (beep,) = (row for row in stretches if row[3] == "beep")
    assert abs(float(beep[1]) - float(start)) < 0.04
    assert abs(float(beep[2]) - float(end)) < 0.04


def changed(folder: Path, task: str = "classification", **data: Any) -> Waves:
    """Return the training part of the glides, or of the beeps, as it is changed; its frames are not scaled."""
    audio = folder / "glides" if task == "classification" else folder / "beeps" / "beeps.csv"
    shared = DATA if task == "classification" else {"bands": 12}
    settings = from_mapping(config(task, audio, **{**shared, "scaler": "none", "centre": "none"}, **data))
    corpus: Any = open_data(settings, None)
    waves = build_task(settings, corpus).training_part(corpus, CPU)
    assert isinstance(waves, Waves)
    return waves


def test_changes_are_a_function_of_seed_and_step(folder: Path) -> None:
    settings = from_mapping(config("classification", folder / "glides", **DATA, **CHANGED))
    corpus: Any = open_data(settings, None)
    task = build_task(settings, corpus)
    part = task.training_part(corpus, CPU)
    first, second = (task.training_order(part, settings.training, 3) for _ in range(2))
    torch.testing.assert_close(first[9].input, second[9].input, rtol=0, atol=0)
    assert not torch.equal(first[9].input, task.training_order(part, settings.training, 4)[9].input)
    per_epoch = first.steps_per_epoch
    again = {step: first[step].input.sum().item() for step in range(2 * per_epoch)}
    assert len(set(again.values())) == 2 * per_epoch  # the second epoch hears other changes


def test_a_shift_moves_frames_and_their_labels_together(folder: Path) -> None:
    waves = changed(folder, "tagging", shift=0.05)
    batch = waves.batch(torch.arange(8), torch.Generator().manual_seed(1))
    assert batch.lengths is not None
    plain = waves.part.batch(torch.arange(8))
    generator = torch.Generator().manual_seed(1)
    moved = torch.randint(-200, 201, (8,), generator=generator)
    assert moved.abs().max() > 100
    for lane, samples in enumerate(moved.tolist()):
        by = round(samples / 40)  # samples of a frame
        kept = range(max(0, by), len(plain.target) + min(0, by))
        for step in kept:
            assert batch.target[step, lane] == plain.target[step - by, lane]
    loud = (batch.input.amax(-1) > 2).double().mean(), (plain.input.amax(-1) > 2).double().mean()
    assert loud[0] == pytest.approx(float(loud[1]), abs=0.1)
    inside = batch.input.amax(-1)[batch.target == 1].mean()
    assert inside > batch.input.amax(-1)[batch.target == 0].mean() + 3


def test_noise_has_the_level_that_was_asked_for(folder: Path) -> None:
    waves = changed(folder, noise=0.5)
    numbers = torch.arange(len(waves.part))
    generator = torch.Generator().manual_seed(2)
    torch.randint(0, 1, (len(numbers),), generator=generator)
    levels = 0.5 * torch.rand(len(numbers), generator=generator)
    batch = waves.batch(numbers, torch.Generator().manual_seed(2))
    # A frame's power is that of the sound and of the noise, level² times the sound's: in all bands together.
    lengths = batch.lengths
    assert lengths is not None
    for lane in range(len(numbers)):
        own = batch.input[2 : lengths[lane] - 2, lane].exp().sum().log()
        plain = waves.part.batch(numbers).input[2 : lengths[lane] - 2, lane].exp().sum().log()
        assert own - plain < 0.6
        if levels[lane] > 0.1:
            quiet = batch.input[2 : lengths[lane] - 2, lane].quantile(0.2)
            assert quiet > waves.part.batch(numbers).input[2 : lengths[lane] - 2, lane].quantile(0.2)


def test_a_run_goes_on_exactly_where_it_stopped(folder: Path, classifier: lstmctl.Run) -> None:
    def stop(event: Event) -> None:
        if isinstance(event, Stepped) and event.step == 20:
            os.kill(os.getpid(), signal.SIGINT)

    stopped = lstmctl.train(config("classification", folder / "glides", **DATA, **CHANGED), observe=stop)
    assert stopped.status == "interrupted"
    again = lstmctl.resume(stopped.path)
    assert again.info["step"] == 60
    for name, weights in classifier.model.state_dict().items():
        torch.testing.assert_close(again.model.state_dict()[name], weights, rtol=0, atol=0)
    assert again.metrics == classifier.metrics


def test_cells_are_compared_on_clips(folder: Path) -> None:
    values = config("classification", folder / "glides", **DATA)
    values["training"]["budget"] = "3 steps"
    found = lstmctl.compare(["rnn", "feedforward"], config=values, seeds=1)
    assert [arm.name for arm in found.arms] == ["rnn", "feedforward"]
    assert "mean and spread of frames" in found.baselines


def test_probabilities_are_those_of_what_was_heard_so_far(
    classifier: lstmctl.Run, folder: Path, tmp_path: Path
) -> None:
    path = folder / "glides" / "down_bob_1.wav"
    found = inspection.inspect_gates(classifier, file=str(path))
    clip = found.clip
    assert clip is not None
    assert clip.frames == len(found.symbols) == len(clip.probabilities["up"])
    assert found.symbols[:2] == ("0.00", "0.01")
    assert clip.bands == pytest.approx(classifier.task.spectra.centres)
    (told,) = classifier.predict(path)
    assert {label: values[-1] for label, values in clip.probabilities.items()} == pytest.approx(
        told.probabilities, abs=1e-3
    )
    # What the network says after ten frames of the clip is what it says of those frames alone.
    task: Any = classifier.task
    whole = task.of_file(str(path))
    frames = torch.from_numpy(whole.input(0)[:10]).unsqueeze(1)
    shares = classifier.model(frames, torch.tensor([10]))[0].softmax(-1).tolist()
    assert [values[9] for values in clip.probabilities.values()] == pytest.approx(shares, abs=1e-3)
    short = inspection.inspect_gates(classifier, file=str(path), symbols=5)
    assert short.clip is not None
    assert short.clip.frames == 5


@pytest.mark.drawn
def test_a_report_shows_clips_and_how_they_are_heard(classifier: lstmctl.Run, tagger: lstmctl.Run) -> None:
    stored = read_history(classifier.path).evaluation
    assert stored is not None
    first, second = stored.clips
    assert {first.truth, second.truth} == {("up",), ("down",)}
    assert first.told == first.truth[0]
    assert max(high for _, high in first.waveform) == pytest.approx(0.3, abs=0.06)
    assert {"clip-1", "clip-2", "confusion"} <= plots(run_blocks(read_history(classifier.path))).keys()
    page = (classifier.path / "report.html").read_text(encoding="utf-8")
    assert "Spectrogram of " in page
    tagged = read_history(tagger.path).evaluation
    assert tagged is not None
    assert tagged.clips[0].by_frame
    assert set(tagged.clips[0].truth) == {"background", "beep"}
    assert (tagger.path / "plots" / "clip-1.png").is_file()


def test_a_damaged_clip_is_left_out_of_the_report(classifier: lstmctl.Run, tmp_path: Path) -> None:
    data = json.loads((classifier.path / "evaluation.json").read_text())
    first, second = data["clips"]
    first["probabilities"]["up"] = [0.5]
    second["truth"] = ["up", "down"]
    (tmp_path / "evaluation.json").write_text(json.dumps(data))
    stored = read_evaluation(tmp_path)
    assert stored is not None
    assert stored.clips == ()
