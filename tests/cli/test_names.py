"""Names of runs and comparisons: chosen, or from the config or the data."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lstmctl import train
from lstmctl.config import load, load_mapping
from tests.conftest import Command, Trained

TINY = ("model.hidden=8", "model.layers=1", "training.budget=2 steps", "training.batch=2", "training.window=8")


def test_a_chosen_name_is_the_folder_s_and_is_taken_once(small_config: Path, lstmctl: Command) -> None:
    assert lstmctl("train", str(small_config), *TINY, "--name", "first.try", "-q").code == 0
    assert json.loads(Path("runs/first.try/run.json").read_bytes())["status"] == "finished"
    again = lstmctl("train", str(small_config), *TINY, "--name", "first.try")
    assert (again.code, again.err) == (
        2,
        f"error: {Path('runs/first.try')} already exists\nhint: choose another --name, or remove the old run\n",
    )
    assert lstmctl("runs", "show", "first.try").code == 0


@pytest.mark.parametrize("name", ["latest", "../out", "a/b", "", ".hidden", "NUL", "com1.txt", "a b", "x" * 101])
def test_what_cannot_be_a_folder_s_name_everywhere_is_refused(name: str, lstmctl: Command) -> None:
    refused = lstmctl("train", "--name", name)
    assert (refused.code, refused.err.startswith(f"error: `{name}` cannot be a run's name")) == (2, True)


def test_runs_are_named_after_the_data_unless_the_config_is_a_file(small_config: Path, tmp_path: Path) -> None:
    own = "data.text=my data.v2.txt"
    found = [
        load(source, overrides).run_name
        for source, overrides in [
            ("travellers", [own]),
            ("travellers", []),
            ("travellers", ["model.cell=gru"]),
            (str(small_config), [own]),
            ("adding", ["data.synthetic=copy", "task.type=tagging"]),
            ("travellers", ["data.text=[C:\\texts\\all, other.txt]"]),
        ]
    ]
    assert found == ["my-data.v2", "travellers", "travellers", "small", "copy", "all"]
    assert load_mapping({"data": {"text": "/far/어둠.txt"}}).run_name == "어둠"


def test_a_run_on_one_s_own_text_bears_its_name_and_is_listed_with_it(text_file: Path, lstmctl: Command) -> None:
    run = train("travellers", [f"data.text={text_file.name}", *TINY], quiet=True)
    assert run.name == "small-lstm-001"
    listed = json.loads(lstmctl("runs", "list", "--json").out)["runs"]
    assert [(row["run"], row["config"], row["data"]) for row in listed] == [
        ("small-lstm-001", "travellers", "small.txt")
    ]
    heading, line = lstmctl("runs", "list").out.splitlines()
    assert heading.split()[:4] == ["run", "status", "config", "data"]
    assert line.split()[:4] == ["small-lstm-001", "finished", "travellers", "small.txt"]


def test_the_gradients_of_the_initial_network_get_a_picture_of_their_own(trained: Trained, lstmctl: Command) -> None:
    plots = trained("small").path / "plots"
    asked = ("inspect", "gradients", "--steps", "4", "--positions", "2")
    assert lstmctl(*asked).code == 0
    before = (plots / "inspect-gradients.png").read_bytes()
    assert lstmctl(*asked, "--initial").code == 0
    assert (plots / "inspect-gradients.png").read_bytes() == before
    assert (plots / "inspect-gradients-initial.png").is_file()
