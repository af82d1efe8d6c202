"""Streams: a line per step, which is what the run says of all that came before."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lstmctl import Run, load_run
from tests.conftest import Command, Trained

ROWS = "date,a,b\n"


def streamed(lstmctl: Command, run: Run, text: str, *options: str) -> list[dict[str, Any]]:
    done = lstmctl("stream", run.name, *options, stdin=text)
    assert done.code == 0, done.err
    return [json.loads(line) for line in done.out.splitlines()]


def later_rows(count: int) -> list[str]:
    """Rows that follow the table of `waves`."""
    hours = [f"2020-01-17 {16 + row:02d}:00:00" for row in range(count)]
    return [f"{hour},{10 + 3 * np.sin(row):.4f},{-1 + np.cos(row):.4f}" for row, hour in enumerate(hours)]


def test_next_symbols_are_those_of_the_run(trained: Trained, lstmctl: Command) -> None:
    run, text = trained("small"), "Ann sees a tree.\nÄnn"
    lines = streamed(lstmctl, run, text)
    assert [line["symbol"] for line in lines] == list(text)
    assert [line["read_as"] for line in lines if "read_as" in line] == ["A"]
    numbers = torch.from_numpy(run.task.encoding.encode(text.replace("Ä", "A")).astype(np.int64)).unsqueeze(1)
    with torch.no_grad():
        scores = run.model(numbers, run.model.initial_state(1))[0][:, 0].log_softmax(-1)
    assert lines[0]["nats"] == 0
    expected = [-scores[place, numbers[place + 1, 0]].item() for place in range(len(text) - 1)]
    assert [line["nats"] for line in lines[1:]] == pytest.approx(expected, abs=1e-5)
    for line, row in zip(lines, scores, strict=True):
        best = run.task.encoding.name_of(int(row.argmax()))
        assert next(iter(line["next"])) == best
        assert line["next"][best] == pytest.approx(row.max().exp().item(), abs=1e-5)


def test_an_ngram_model_streams_with_its_share(trained: Trained, lstmctl: Command) -> None:
    run, text = trained("small", "model.ngram=0.4"), "Bob likes the sea."
    lines = streamed(lstmctl, run, text)
    numbers = run.task.encoding.encode(text).astype(np.int64)
    with torch.no_grad():
        scores = run.model(torch.from_numpy(numbers).unsqueeze(1), run.model.initial_state(1))[0][:, 0].softmax(-1)
    counted = np.exp(-run.task.ngram.model.nats(numbers))
    shares = [0.6 * scores[place, numbers[place + 1]].item() + 0.4 * counted[place] for place in range(len(text) - 1)]
    assert [line["nats"] for line in lines[1:]] == pytest.approx(-np.log(shares), abs=1e-5)


@pytest.mark.parametrize("settings", ["task.shape=many-to-many", "task.shape=many-to-one", "model.ngram=0.4"])
def test_a_saved_state_continues_exactly(trained: Trained, lstmctl: Command, settings: str) -> None:
    run, text = trained("small", settings), "Bob likes the sea. Cyr finds"
    whole = streamed(lstmctl, run, text)
    parts = [streamed(lstmctl, run, part, "--state", "my.state") for part in (text[:9], text[9:10], text[10:])]
    assert [line for part in parts for line in part] == whole


def test_a_state_of_other_weights_is_refused(trained: Trained, lstmctl: Command) -> None:
    streamed(lstmctl, trained("small"), "Ann", "--state", "my.state")
    other = trained("small", "model.cell=gru")
    done = lstmctl("stream", other.name, "--state", "my.state", stdin="Ann")
    assert done.code == 4
    assert "is the state of another run" in done.err
    Path("my.state").write_bytes(b"nothing")
    assert "my.state is damaged" in lstmctl("stream", other.name, "--state", "my.state", stdin="Ann").err


def test_forecasts_are_those_of_the_longer_table(trained: Trained, lstmctl: Command) -> None:
    run, rows = trained("waves"), later_rows(6)
    lines = streamed(lstmctl, run, ROWS + "\n".join(rows) + "\n")
    assert len(lines) == 6
    own = (trained.folder / "small.csv").read_text()
    for count in (1, 6):
        Path("longer.csv").write_text(own + "\n".join(rows[:count]) + "\n")
        expected = load_run(run.path).forecast("longer.csv")
        for found, theirs in zip(lines[count - 1]["forecasts"], expected, strict=True):
            assert found["series"] == theirs.series
            assert found["times"] == list(theirs.times)
            assert found["point"] == pytest.approx(theirs.point, abs=1e-5)
            assert found["intervals"]["80"][1] == pytest.approx(theirs.intervals[80][1], abs=1e-5)


def test_intervals_learn_from_every_truth(trained: Trained, lstmctl: Command) -> None:
    run, rows = trained("waves"), later_rows(7)
    whole = streamed(lstmctl, run, ROWS + "\n".join(rows), "--intervals", "adaptive")
    parts = []
    for part in (rows[:3], rows[3:4], rows[4:]):
        parts += streamed(lstmctl, run, ROWS + "\n".join(part), "--intervals", "adaptive", "--state", "my.state")
    assert parts == whole
    assert "covered" not in whole[0]
    # Truths far outside, now above and now below, widen the intervals.
    far = [f"{row.split(',')[0]},{90 * (-1) ** place},{90 * (-1) ** place}" for place, row in enumerate(rows)]
    wide = streamed(lstmctl, run, ROWS + "\n".join(far), "--intervals", "adaptive")
    assert wide[1]["covered"] == {"80": False}

    def width(line: dict[str, Any]) -> float:
        low, high = line["forecasts"][0]["intervals"]["80"]
        return float(high[0] - low[0])

    assert width(wide[0]) == pytest.approx(width(whole[0]), rel=0.5)
    assert width(wide[-1]) > 1.05 * width(wide[0])


def test_rows_after_a_gap_are_waited_for(trained: Trained, lstmctl: Command) -> None:
    run = trained("waves")
    rows = [f"2021-03-01 {hour:02d}:00:00,10,-5" for hour in range(13)]
    lines = streamed(lstmctl, run, ROWS + "\n".join(rows))
    assert [line.get("rows_needed") for line in lines] == [*range(11, 0, -1), None, None]
    assert not lines[10]["forecasts"]
    assert len(lines[11]["forecasts"]) == 2


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("date,a\n", "line 1 has no column b"),
        ("date,a,b\n2020-01-17 16:00:00,1,x\n", "line 2, cell 3: `x` is not a number"),
        ("date,a,b\n2020-01-17 15:00:00,1,2\n", "line 2: 2020-01-17 15:00:00 does not follow 2020-01-17 15:00:00"),
        ("date,a,b\n2020-01-17 16:00:00,1\n", "line 2 has 2 cells, but 3 are needed"),
    ],
    ids=["no column", "no number", "an earlier time", "too few cells"],
)
def test_bad_rows_name_their_line(trained: Trained, lstmctl: Command, rows: str, said: str) -> None:
    done = lstmctl("stream", trained("waves").name, stdin=rows)
    assert done.code == 3
    assert said in done.err


def test_labels_are_those_of_the_sequence_so_far(trained: Trained, lstmctl: Command) -> None:
    few = ("training.budget=8 steps", "model.hidden=12", "threads=1")
    run = trained("intents", *few, "model.direction=forward")
    texts = ["lights on", "play it"]
    lines = streamed(lstmctl, run, "\n".join(texts))
    assert len(lines) == sum(map(len, texts))
    for place, prediction in zip((len(texts[0]) - 1, -1), run.predict(texts), strict=True):
        assert lines[place]["label"] == prediction.label
        assert lines[place]["probabilities"] == pytest.approx(prediction.probabilities, abs=1e-6)


def test_what_reads_backwards_is_refused(trained: Trained, lstmctl: Command) -> None:
    few = ("training.budget=8 steps", "model.hidden=12", "threads=1")
    run = trained("intents", *few, "model.direction=bidirectional")
    done = lstmctl("stream", run.name, stdin="lights")
    assert done.code == 2
    assert "reads each sequence backwards too" in done.err


def test_what_cannot_stream_is_refused(trained: Trained, lstmctl: Command) -> None:
    done = lstmctl("stream", trained("places").name, stdin="a")
    assert done.code == 2
    assert "cannot read a stream: its task is generation-from-label" in done.err
    done = lstmctl("stream", trained("small").name, "--intervals", "adaptive", stdin="a")
    assert "has no intervals" in done.err
