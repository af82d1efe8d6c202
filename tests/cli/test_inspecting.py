"""`lstmctl inspect` as a person or a script meets it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lstmctl import train
from tests.conftest import Command, Result, Trained

FEW = ["training.budget=3 steps"]


@pytest.fixture
def run(trained: Trained) -> str:
    """A small trained LSTM."""
    return trained("small", *FEW).name


@pytest.mark.drawn
@pytest.mark.parametrize("what", ["gates", "memory", "gradients"])
def test_each_look_gives_a_table_and_a_picture(what: str, lstmctl: Command, run: str) -> None:
    result = lstmctl("inspect", what)
    picture = Path("runs", run, "plots", f"inspect-{what}.png")
    assert (result.code, result.err) == (0, f"{picture}\n")
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert result.out
    told = lstmctl("inspect", what, run, "--plot", "a.svg", "--json")
    assert (told.code, told.err) == (0, "a.svg\n")
    assert b"<svg" in Path("a.svg").read_bytes()
    found = json.loads(told.out)
    assert next(iter(found)) == "format"
    assert found["format"] == 1
    assert told.out.count("\n") == 1


def test_the_json_of_gates(lstmctl: Command, run: str) -> None:
    found = json.loads(lstmctl("inspect", "gates", run, "--text", "Ann sees", "--units", "3,1", "--json").out)
    assert (found["run"], found["cell"], found["source"]) == (f"runs/{run}", "lstm", "the text given")
    assert (found["layer"], found["layers"], found["hidden"], found["units"]) == (2, 2, 12, [3, 1])
    assert (found["symbols"], found["step"]) == (list("Ann sees"), "characters")
    assert [panel["name"] for panel in found["panels"]] == ["i", "f", "g", "o", "hidden", "cell"]
    assert [[len(row) for row in panel["values"]] for panel in found["panels"]] == [[8, 8]] * 6
    tracked = {"property", "layer", "direction", "state", "unit", "chosen", "correlation", "tracks"}
    assert set(found["tracked"][0]) == tracked
    assert found["tracked_in"] == "the test part"


def test_the_json_of_memory_and_gradients(lstmctl: Command, run: str) -> None:
    (first, second) = json.loads(lstmctl("inspect", "memory", run, "--steps", "100", "--json").out)["layers"]
    assert (first["layer"], second["keeping_gate"], first["spectrum"]) == (1, "f", None)
    assert len(first["time_constants"]) == 12
    assert [gate["gate"] for gate in first["saturation"]] == ["i", "f", "o"]
    arguments = ["inspect", "gradients", run, run, "--steps", "5", "--positions", "4", "--initial", "--json"]
    runs = json.loads(lstmctl(*arguments).out)["runs"]
    assert len(runs) == 2
    assert runs[0] == runs[1]
    assert (runs[0]["weights"], runs[0]["positions"], runs[0]["steps"], runs[0]["window"]) == ("initial", 4, 5, 16)
    course = runs[0]["courses"][-1]
    assert (course["layer"], course["state"], len(course["norms"])) == (2, "cell", 6)
    assert (course["half_life"] is None) == (course["rate"] >= 1)


def test_a_forecaster_is_looked_into_by_its_segments(lstmctl: Command, series_config: Path) -> None:
    train(series_config, FEW)
    gates = json.loads(lstmctl("inspect", "gates", "--json").out)
    # A lookback of 12 rows in segments of 2.
    assert gates["symbols"] == ["−12", "−10", "−8", "−6", "−4", "−2"]
    assert {one["property"] for one in gates["tracked"]} >= {"position in the window"}
    found = json.loads(lstmctl("inspect", "gradients", "--steps", "50", "--json").out)["runs"][0]
    assert (found["steps"], found["window"]) == (5, None)
    assert lstmctl("inspect", "memory", "small.csv").code == 0
    refused = lstmctl("inspect", "recall")
    assert refused.code == 2
    assert refused.err.startswith("error: waves-gru-001 does not read text: its task is forecast\nhint: ")
    assert lstmctl("inspect", "gates", "--text", "a").code == 2


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["gates", "--layer", "9"], 2, "layer 9 does not exist; the network has 2"),
        (["gates", "--units", "a"], 2, "--units must be whole numbers separated by commas, such as 3,17,40, not `a`"),
        (["gradients", "--layer", "9"], 2, "not every run has a layer 9"),
        (["memory", "--plot", "a.pdf"], 2, "a.pdf has an unsupported file extension for a plot; use .png or .svg"),
        (["recall"], 2, "recall cannot be measured on"),
        (["gates", "small-lstm-001", "gone.txt"], 3, "`gone.txt` does not exist"),
        (["memory", "gone"], 4, "no run `gone`"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(
    arguments: list[str], code: int, message: str, lstmctl: Command, run: str
) -> None:
    result = lstmctl("inspect", *arguments)
    assert (result.code, result.out) == (code, "")
    assert message in result.err.splitlines()[0]
    assert "Traceback" not in result.err


def test_what_carries_nothing_says_so(lstmctl: Command, small_config: Path) -> None:
    train(small_config, [*FEW, "model.cell=feedforward"])
    assert lstmctl("inspect", "memory") == Result(
        0, "This cell carries no state from step to step: it has no memory to measure.\n", ""
    )
    assert "no gradient flows back in time" in lstmctl("inspect", "gradients").out
    assert lstmctl("inspect", "gates").err.endswith("inspect-gates.png\n")


SMALL = ["training.budget=3 steps", "model.hidden=6", "threads=1"]
OTHER_SHAPES = {
    "tags": ["model.layers=2"],
    "dates": [],
    "dates forward": ["model.direction=forward", "model.attention=false", "model.cell=lstm"],
    "places": [],
}
BOTH = ["forward", "backward"]


@pytest.mark.parametrize(
    "shape", [pytest.param(shape, marks=[pytest.mark.drawn] * (shape == "dates")) for shape in OTHER_SHAPES]
)
def test_runs_of_every_shape_are_looked_into(shape: str, lstmctl: Command, trained: Trained) -> None:
    name = trained(shape.split()[0], *SMALL, *OTHER_SHAPES[shape]).name
    directions = BOTH if shape in ("tags", "dates") else [None]
    for what in ("gates", "memory", "gradients"):
        told = lstmctl("inspect", what, name, "--plot", "a.svg")
        assert (told.code, told.err) == (0, "a.svg\n")
        assert ("direction" in told.out.splitlines()[1].split()) == (directions == BOTH)
        assert ("The encoder is shown" in told.out) == shape.startswith("dates")
        drawn = Path("a.svg").read_bytes()
        found = json.loads(lstmctl("inspect", what, name, "--json").out)
        rows = {"gates": "panels", "memory": "layers", "gradients": "courses"}
        found = found["runs"][0] if what == "gradients" else found
        assert list(dict.fromkeys(row["direction"] for row in found[rows[what]])) == directions
        assert len(drawn) > (10_000 if shape == "dates" else 0)
        assert Path("runs", name, "plots", f"inspect-{what}.png").read_bytes().startswith(b"\x89PNG")


def test_a_text_of_every_shape(lstmctl: Command, trained: Trained) -> None:
    tags, dates, places = (trained(name, *SMALL, *OTHER_SHAPES[name]) for name in ("tags", "dates", "places"))
    for run, text, cell in ((tags, "Ann met Bob.", "lstm"), (dates, "5 May 1999", "gru")):
        found = json.loads(lstmctl("inspect", "gates", run.name, "--text", text, "--json").out)
        assert ("".join(found["symbols"]), found["cell"]) == (text, cell)
        assert [panel["direction"] for panel in found["panels"]] == [
            direction for direction in BOTH for _ in range(len(found["panels"]) // 2)
        ]
        # The backward cell has read nothing but the last symbol there, and the forward one all.
        shorter = json.loads(lstmctl("inspect", "gates", run.name, "--text", text[-1], "--layer", "1", "--json").out)
        longer = json.loads(lstmctl("inspect", "gates", run.name, "--text", text, "--layer", "1", "--json").out)
        for one, other in zip(shorter["panels"], longer["panels"], strict=True):
            same = [row[0] for row in one["values"]] == [row[-1] for row in other["values"]]
            assert same == (one["direction"] == "backward")
    arguments = ["inspect", "gates", places.name, "--text", "bana"]
    found = json.loads(lstmctl(*arguments, "--label", "spain", "--json").out)
    assert found["symbols"] == ["", *"bana"]
    france = json.loads(lstmctl(*arguments, "--label", "france", "--json").out)
    assert france["panels"] != found["panels"]


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("places", ["--text", "bana"], "predicts the symbols of a text from its label; set it with --label"),
        ("places", ["--text", "bana", "--label", "peru"], "label `peru` does not exist"),
        ("places", ["--text", "", "--label", "spain"], "the text is empty"),
        ("places", ["--label", "spain"], "a label needs a text"),
        ("dates", ["--text", "1", "--label", "a"], "asks for no label: its task is transduction"),
    ],
)
def test_a_text_that_cannot_be_read_is_refused(
    name: str, arguments: list[str], message: str, lstmctl: Command, trained: Trained
) -> None:
    result = lstmctl("inspect", "gates", trained(name, *SMALL, *OTHER_SHAPES[name]).name, *arguments)
    assert (result.code, result.out) == (2, "")
    assert message in result.err.splitlines()[0]


@pytest.mark.parametrize(("name", "label"), [("places", ["--label", "spain"]), ("dates", [])])
def test_an_unknown_symbol_is_read_as_such_and_named(
    name: str, label: list[str], lstmctl: Command, trained: Trained, caplog: pytest.LogCaptureFixture
) -> None:
    run = trained(name, *SMALL, *OTHER_SHAPES[name]).name
    assert lstmctl("inspect", "gates", run, "--text", "♥", *label).code == 0
    assert "♥" in caplog.text
