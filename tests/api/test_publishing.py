"""Runs published: what leaves the machine, what comes back, and what an upload that fails leaves behind."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from lstmctl import load_run, resume, train
from lstmctl.api.publishing import publish
from lstmctl.errors import ConfigError, DataError, RunError, UsageError
from lstmctl.runs.folder import RunFolder
from lstmctl.runs.hub import Address
from tests.api.local_hub import TOKEN, LocalHub, local_hub
from tests.conftest import Command, Trained

on_the_hub = pytest.mark.skipif(find_spec("huggingface_hub") is None, reason="huggingface_hub is not installed")
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")  # of huggingface_hub's own client
SAFE = (".safetensors", ".json", ".jsonl", ".yaml", ".html", ".md")
OWN_CELL = """\
import pathlib
pathlib.Path("imported").touch()
from lstmctl.cells.gru import GRU
class Mine(GRU):
    pass
"""


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[LocalHub]:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
    with local_hub() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        yield hub


def newest(hub: LocalHub, repository: str = "ann/waves") -> dict[str, bytes]:
    found = hub.repositories[repository]
    return found.commits[found.newest]


def own_cell(small_config: Path) -> Path:
    """A run of a cell of its own, in this folder."""
    Path("mine.py").write_text(OWN_CELL)
    return train(small_config, ["model.cell=mine:Mine", "training.budget=2 steps"], trust=True, quiet=True).path


def test_a_published_folder_answers_as_the_run_does(trained: Trained) -> None:
    run = trained("small")
    there = load_run(publish(run.path, "published"), overrides=[f"data.text={run.settings.data.text[0]}"])
    weights = load_file("published/model.safetensors")
    assert all(torch.equal(weights[name], value) for name, value in run.model.state_dict().items())
    assert there.generate("Ann ", seed=3)[0].text == run.generate("Ann ", seed=3)[0].text
    assert there.evaluate("test", quiet=True).metrics == run.evaluate("test", quiet=True).metrics
    assert (there.step, there.fallback) == (run.step, None)


def test_only_safe_files_leave_the_machine_and_no_data(trained: Trained, text: str) -> None:
    run = trained("small")
    publish(run.path, "published")
    names = {path.name for path in Path("published").iterdir()}
    assert {Path(name).suffix for name in names} <= set(SAFE)
    assert names == {
        *("README.md", "config.yaml", "encoding.json", "evaluation.json", "metrics.jsonl", "model.safetensors"),
        *("report.html", "run.json"),
    }
    source = str(run.settings.data.text[0])
    assert Path(source).is_absolute()
    facts = json.loads(Path("published/run.json").read_text())
    assert "host" not in facts
    for path in Path("published").iterdir():
        content = path.read_bytes().decode("utf-8", "replace")
        assert str(Path(source).parent) not in content, path
        assert text[:60] not in content, path
    assert "text: small.txt" in Path("published/config.yaml").read_text()


def test_a_forecaster_comes_without_the_rows_of_its_table_unless_asked(trained: Trained) -> None:
    run = trained("waves", "task.final_fit=continue")
    bare, whole = load_run(publish(run.path, "bare")), load_run(publish(run.path, "whole", with_data=True))
    with pytest.raises(DataError, match="published without the last rows"):
        bare.forecast()
    expected = run.forecast()
    assert whole.forecast() == expected
    assert bare.forecast(run.settings.data.series[0]) == expected
    last = json.loads((run.path / "encoding.json").read_text())["tail"]["targets"][-1][0]
    evaluation = (run.path / "evaluation.json").read_text()
    assert str(last) in evaluation  # in an example
    assert all(str(last) not in path.read_text() for path in Path("bare").glob("*.[jhy]*"))


def test_a_new_table_is_compared_with_no_times_of_a_run_that_has_none(trained: Trained) -> None:
    run = trained("waves")
    bare = load_run(publish(run.path, "bare"))
    assert bare.evaluate(file=run.settings.data.series[0], quiet=True).metrics["mae"] > 0


def test_text_that_an_ngram_share_counts_is_not_published_unasked(trained: Trained) -> None:
    run = trained("small", "model.ngram=0.5")
    with pytest.raises(UsageError, match=r"the text that it was trained on.*model\.ngram") as refused:
        publish(run.path, "published")
    assert "--with-data" in str(refused.value.hint)
    assert not Path("published").exists()
    source = f"data.text={run.settings.data.text[0]}"
    there = load_run(publish(run.path, "published", with_data=True), overrides=[source])
    assert there.evaluate("test", quiet=True).metrics == run.evaluate("test", quiet=True).metrics


def test_the_card_has_the_facts_of_the_run(trained: Trained) -> None:
    run = trained("waves")
    publish(run.path, "published", licence="mit")
    card = Path("published/README.md").read_text()
    assert card.startswith('---\nlibrary_name: "lstmctl"\nlicense: "mit"\npipeline_tag: "time-series-forecasting"\n')
    assert f"lstmctl forecast hf://USER/{run.name} FILE" in card
    mae, naive = (json.loads((run.path / "evaluation.json").read_text())[key] for key in ("metrics", "baselines"))
    row = next(line for line in card.splitlines() if line.startswith("| MAE |"))
    numbers = [float(cell.strip(" \\*")) for cell in row.split("|")[2:-1]]
    assert math.isclose(numbers[0], mae["mae"], rel_tol=1e-2)
    assert math.isclose(numbers[1], next(iter(naive.values()))["mae"], rel_tol=1e-2)
    assert str(run.info["data"]["sha256"]) in card
    assert "  lookback: 12\n" in card


def test_a_card_without_a_licence_says_that_it_lacks_one(trained: Trained) -> None:
    publish(trained("small").path, "published")
    card = Path("published/README.md").read_text()
    assert 'license: "unknown"' in card
    assert "To be filled in" in card


@on_the_hub
def test_a_run_comes_back_from_the_hub(trained: Trained, hub: LocalHub, lstmctl: Command) -> None:
    run = trained("waves")
    result = lstmctl("runs", "push", run.name, "hf://ann/waves")
    assert result.code == 0, result.err
    commit = hub.repositories["ann/waves"].newest
    assert result.out == f"hf://ann/waves@{commit}\n"
    assert hub.repositories["ann/waves"].private
    assert newest(hub)["model.safetensors"] in hub.stored.values()
    table = str(run.settings.data.series[0])
    ours, theirs = (lstmctl("forecast", name, table) for name in (run.name, "hf://ann/waves"))
    assert theirs.code == 0, theirs.err
    assert theirs.out == ours.out
    there = load_run("hf://ann/waves")
    assert there.info["hub"] == f"hf://ann/waves@{commit}"
    assert there.path == Path(f"cache/hub/ann/waves/{commit}/waves").absolute()
    shown = lstmctl("runs", "show", "hf://ann/waves", "--json")
    assert json.loads(shown.out)["info"]["hub"] == f"hf://ann/waves@{commit}"


@on_the_hub
def test_a_commit_is_downloaded_once_and_a_branch_is_asked_for(trained: Trained, hub: LocalHub) -> None:
    run = trained("small")
    first = publish(run.path, "hf://ann/small", public=True)
    assert not hub.repositories["ann/small"].private
    load_run("hf://ann/small")
    hub.requests.clear()
    load_run("hf://ann/small")
    assert hub.requests == ["GET /api/models/ann/small/revision/main"]
    hub.requests.clear()
    assert load_run(first).info["hub"] == first
    assert hub.requests == []


@on_the_hub
def test_a_new_upload_replaces_the_files_of_the_former_one_but_keeps_a_card(trained: Trained, hub: LocalHub) -> None:
    first = publish(trained("waves", "task.final_fit=continue").path, "hf://ann/waves")
    hub.upload("ann/waves", {**newest(hub), "README.md": b"by hand", "notes.txt": b"by hand"})
    assert "final.safetensors" in newest(hub)
    run = trained("small")
    second = publish(run.path, "hf://ann/waves")
    there = newest(hub)
    assert "final.safetensors" not in there
    assert (there["README.md"], there["notes.txt"]) == (b"by hand", b"by hand")
    assert load_run(first).settings.task.type == "forecast"
    assert load_run("hf://ann/waves").settings.task.type == "language-model"
    publish(run.path, "hf://ann/waves", replace_card=True)
    assert run.name in newest(hub)["README.md"].decode()
    assert load_run(second).generate("Ann ", seed=3)[0].text == run.generate("Ann ", seed=3)[0].text


@on_the_hub
def test_code_of_a_run_is_imported_only_with_trust(
    small_config: Path, hub: LocalHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = own_cell(small_config)
    publish(path, "hf://ann/mine")
    monkeypatch.delitem(__import__("sys").modules, "mine")
    for file in (Path("mine.py"), Path("imported"), path / "mine.py"):
        file.unlink()
    with pytest.raises(ConfigError, match="trust"):
        load_run("hf://ann/mine")
    assert not Path("imported").exists()
    assert load_run("hf://ann/mine", trust=True).parameters > 0
    assert Path("imported").exists()


@on_the_hub
def test_files_that_are_not_of_a_run_are_not_downloaded(trained: Trained, hub: LocalHub) -> None:
    publish(trained("small").path, "hf://ann/small")
    foreign = {"pickled.bin": b"x", "setup.py": b"x", "checkpoints/step-1/manifest.json": b"x", "data.csv": b"x"}
    hub.upload("ann/small", {**newest(hub, "ann/small"), **foreign})
    found = {path.name for path in load_run("hf://ann/small").path.iterdir()}
    assert found == {
        *("config.yaml", "encoding.json", "evaluation.json", "metrics.jsonl", "model.safetensors", "run.json")
    }


@on_the_hub
def test_a_run_starts_from_weights_on_the_hub(trained: Trained, hub: LocalHub, small_config: Path) -> None:
    first = publish(trained("small").path, "hf://ann/small")
    run = train(small_config, ["training.budget=1 steps"], init_from="hf://ann/small", quiet=True)
    assert run.info["initialised_from"] == first
    with pytest.raises(RunError, match="without checkpoints") as refused:
        resume("hf://ann/small")
    assert "--init-from hf://ann/small" in str(refused.value.hint)


@on_the_hub
def test_the_copy_in_the_cache_serves_when_the_hub_is_away(
    trained: Trained, hub: LocalHub, caplog: pytest.LogCaptureFixture
) -> None:
    first = publish(trained("small").path, "hf://ann/small")
    load_run("hf://ann/small")
    hub.breaks_at = "/api/"
    assert load_run("hf://ann/small").info["hub"] == first
    assert "using the copy of" in caplog.text
    with pytest.raises(RunError, match=r"the connection to http://127\.0\.0\.1:\d+ failed"):
        load_run("hf://ann/other")


@on_the_hub
def test_damaged_weights_are_noticed(trained: Trained, hub: LocalHub) -> None:
    publish(trained("small").path, "hf://ann/small")
    hub.upload("ann/small", {**newest(hub, "ann/small"), "model.safetensors": b"damaged"})
    with pytest.raises(RunError, match=r"model\.safetensors is damaged: its SHA-256"):
        _ = load_run("hf://ann/small").model


@on_the_hub
def test_an_upload_that_breaks_off_publishes_nothing(trained: Trained, hub: LocalHub, lstmctl: Command) -> None:
    run = trained("small")
    publish(run.path, "hf://ann/small")
    before = hub.repositories["ann/small"].newest
    Path("again.json").write_bytes((run.path / "run.json").read_bytes())
    RunFolder(run.path).update(rate=1.0)
    hub.breaks_at = "/commit/"
    result = lstmctl("runs", "push", run.name, "hf://ann/small")
    assert result.code == RunError.exit_code
    assert result.err.startswith(f"error: the connection to {hub.url} failed: ")
    assert hub.repositories["ann/small"].newest == before
    hub.breaks_at = None
    assert lstmctl("runs", "push", run.name, "hf://ann/small").code == 0
    assert hub.repositories["ann/small"].newest != before


@on_the_hub
@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("hf://ann/none", "there is no hf://ann/none on"),
        ("hf://ann/small@v2", "hf://ann/small has no revision `v2`"),
        ("hf://ann/other", "hf://ann/other is not a run of lstmctl: it has no run.json"),
    ],
)
def test_what_is_not_there_is_named(trained: Trained, hub: LocalHub, address: str, words: str) -> None:
    publish(trained("small").path, "hf://ann/small")
    hub.upload("ann/other", {"model.safetensors": b""})
    with pytest.raises(RunError) as refused:
        load_run(address)
    assert words in str(refused.value)
    assert not list(Path("cache").rglob("run.json"))


@on_the_hub
def test_a_private_run_needs_a_token(trained: Trained, hub: LocalHub, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(trained("small").path, "hf://ann/small")
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(RunError, match="there is no hf://ann/small") as refused:
        load_run("hf://ann/small")
    assert "HF_TOKEN" in str(refused.value.hint)
    with pytest.raises(UsageError, match="no token for the Hub"):
        publish(None, "hf://ann/small")
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    with pytest.raises(RunError, match="refuses access") as refused:
        publish(None, "hf://ann/new")
    assert "write access" in str(refused.value.hint)


@on_the_hub
def test_another_model_is_not_overwritten(trained: Trained, hub: LocalHub) -> None:
    hub.upload("ann/bert", {"model.safetensors": b"bert", "config.json": b"{}"})
    with pytest.raises(UsageError, match=r"hf://ann/bert has other files and is not a run of lstmctl: config\.json"):
        publish(trained("small").path, "hf://ann/bert")
    assert newest(hub, "ann/bert")["model.safetensors"] == b"bert"


@pytest.mark.parametrize("status", ["running", "interrupted", "diverged"])
def test_only_a_finished_run_is_published(trained: Trained, status: str) -> None:
    run = trained("small")
    RunFolder(run.path).update(status=status)
    with pytest.raises(RunError, match="diverged" if status == "diverged" else "is not finished"):
        publish(run.path, "published")
    RunFolder(run.path).update(status="running")
    with RunFolder(run.path).locked(), pytest.raises(RunError, match="is still being trained"):
        publish(run.path, "published")
    assert not Path("published").exists()


def test_a_published_run_or_a_folder_that_is_there_is_no_source_or_target(trained: Trained) -> None:
    run = trained("small")
    publish(run.path, "published")
    with pytest.raises(UsageError, match="published exists already"):
        publish(run.path, "published")
    with pytest.raises(RunError, match="is a published run itself"):
        publish("published", "again")
    shutil.rmtree(run.path / "checkpoints")
    with pytest.raises(RunError, match="contains no checkpoint"):
        publish(run.path, "again")
    assert not Path("again").exists()


@pytest.mark.parametrize(
    "text", ["hf://ann", "hf://datasets/ann/small", "hf://ann/small/x", "hf://ann/..", "hf://a b/c"]
)
def test_an_address_has_a_user_and_a_name(text: str) -> None:
    with pytest.raises(UsageError, match="does not name a run on the Hub"):
        Address.parse(text)


def test_a_run_is_not_uploaded_to_a_revision(trained: Trained) -> None:
    with pytest.raises(UsageError, match="to the main branch"):
        publish(trained("small").path, "hf://ann/small@v2")


@pytest.mark.skipif(find_spec("huggingface_hub") is not None, reason="huggingface_hub is installed")
def test_a_missing_package_is_named(trained: Trained) -> None:
    for use in (lambda: load_run("hf://ann/small"), lambda: publish(trained("small").path, "hf://ann/small")):
        with pytest.raises(UsageError, match="need the package huggingface_hub") as refused:
            use()
        assert refused.value.hint == "pip install 'lstmctl[hub]'"
