"""The living page: a trained network that runs in a file."""

from __future__ import annotations

import errno
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import torch

from lstmctl import Run
from lstmctl.errors import ResourceError, UsageError
from lstmctl.export import export, export_page
from lstmctl.export.page import script
from lstmctl.reporting.run_page import write_report
from tests.conftest import Command, Trained
from tests.export.browsers import in_chromium, in_node
from tests.export.checks import CLOSE

START = 'import { model } from "./as-javascript/model.js"; import { TextTape, LabelTape } from "./tape.js";'
INTENTS = ("intents", "training.budget=8 steps", "model.hidden=12", "threads=1")


def module(run: Run) -> None:
    export(run, "javascript", "as-javascript", force=True)


def clamped_scores(run: Run, text: str, start: int) -> torch.Tensor:
    """The scores after a text of the first layer's LSTM, whose forget gate is 0 from a character on."""
    model = run.model
    (layer,) = model.recurrence.layers()
    (cell,) = layer.cells
    state = model.initial_state(1)[0]
    for place, number in enumerate(run.task.encoding.encode(text).tolist()):
        step = cell.step(cell.project(model.input_map(torch.tensor([number]))), state)
        new = step.state
        if place >= start:
            memory = step.gates["i"] * step.gates["g"]
            new = (step.gates["o"] * memory.tanh(), memory)
        state = new
    return model.head(state[0])[0].detach()


def test_a_tape_holds_a_gate_from_a_character_on(trained: Trained) -> None:
    run = trained("small", "model.layers=1")
    module(run)
    told = in_node(
        START
        + """
const tape = new TextTape(model);
tape.set("Ann sees a tree.", [{ name: "f_1", value: 0, units: null, from: 4 }]);
while (tape.step());
const held = [...tape.frames.at(-1).probabilities];
const first = tape.frames[3];
tape.set("Ann sees a tree.");
const kept = tape.frames.length;
while (tape.step());
const free = [...tape.frames.at(-1).probabilities];
console.log(JSON.stringify({ held, free, kept, same: tape.frames[3] === first }));
"""
    )
    expected = clamped_scores(run, "Ann sees a tree.", 4).softmax(-1)
    torch.testing.assert_close(torch.tensor(told["held"]), expected, atol=1e-5, rtol=0)
    free = clamped_scores(run, "Ann sees a tree.", 99).softmax(-1)
    torch.testing.assert_close(torch.tensor(told["free"]), free, atol=1e-5, rtol=0)
    assert told["kept"] == 4
    assert told["same"]


@pytest.mark.parametrize("settings", [(), ("data.symbols=bytes",), ("task.shape=many-to-one", "model.layers=1")])
def test_a_tape_writes_what_the_module_writes(trained: Trained, settings: tuple[str, ...]) -> None:
    module(trained("small", *settings))
    told = in_node(
        START
        + """
const tape = new TextTape(model);
tape.set("Ann ");
while (tape.step());
const written = [...tape.write(3, { length: 30 })].join("");
console.log(JSON.stringify({ written, own: [...model.write("Ann ", { length: 30, temperature: 0 })].join("") }));
"""
    )
    assert told["written"] == told["own"]
    assert len(told["own"]) == 30


def test_a_tape_skips_unknown_symbols_and_keeps_what_was_read(trained: Trained) -> None:
    module(trained("small"))
    told = in_node(
        START
        + """
const tape = new TextTape(model);
const read = (text) => { tape.set(text); while (tape.step()); return [...tape.frames.at(-1).probabilities]; };
const plain = read("Ann sees");
const odd = read("Ann §sees§");
const unknown = tape.unknown;
const bits = tape.frames.map((one) => one.bits);
tape.set("");
console.log(JSON.stringify({ plain, odd, unknown, left: tape.unknown, bits }));
"""
    )
    assert told["odd"] == told["plain"]
    assert told["unknown"] == ["§"]
    assert told["left"] == []
    assert [place for place, one in enumerate(told["bits"]) if one is None] == [0, 4, 9]


def test_surprise_is_that_of_the_run(trained: Trained) -> None:
    run = trained("small")
    module(run)
    text = "Bob likes the sea."
    told = in_node(
        START
        + f"""
const tape = new TextTape(model);
tape.set({json.dumps(text)});
while (tape.step());
console.log(JSON.stringify(tape.surprise));
"""
    )
    numbers = torch.tensor(run.task.encoding.encode(text).tolist())
    with torch.no_grad():
        scores, _ = run.model(numbers.unsqueeze(1), run.model.initial_state(1))
    nats = torch.nn.functional.cross_entropy(scores[:-1, 0], numbers[1:])
    assert told == pytest.approx(float(nats) / 0.6931472, abs=1e-4)


def test_labels_follow_every_beginning_of_a_text(trained: Trained) -> None:
    run = trained(*INTENTS)
    module(run)
    text = "turn on"
    told = in_node(
        START
        + f"""
const tape = new LabelTape(model);
tape.set({json.dumps(text)});
while (tape.step());
const before = tape.frames.map(({{ probabilities }}) => [...probabilities]);
tape.set("turn of");
let steps = 1;
while (tape.step()) steps++;
tape.set("turn of", [{{ name: "cell_1", value: 0, units: [2], from: 3 }}]);
while (tape.step());
const held = tape.frames.map(({{ shown }}) => shown.cell_1[2]);
console.log(JSON.stringify({{ before, steps, held, labels: tape.outcomes }}));
"""
    )
    for length in range(1, len(text) + 1):
        (expected,) = run.predict([text[:length]])
        found = dict(zip(told["labels"], told["before"][length - 1], strict=True))
        assert max(found, key=found.__getitem__) == expected.label
        assert found == pytest.approx(expected.probabilities, abs=1e-5)
    assert told["steps"] == 1  # only the last beginning is new
    assert [value == 0 for value in told["held"]] == [False] * 3 + [True] * 4


def test_units_and_rows_of_heat_maps() -> None:
    told = in_node(
        """
import { unitsFrom, clampAt, firstDifference } from "./tape.js";
import { condensed, reach, gradient } from "./heat_map.js";
const values = [1, 2, 3, 4];
const rule = { name: "f", value: 0, units: [0, 9], from: 5 };
clampAt([rule, { ...rule, value: 7, units: [1] }], 5).f(values, 0);
clampAt([{ ...rule, units: null }], 4).f(values, 0);
console.log(JSON.stringify({
  units: ["", "all", "3", "7-9, 3", "12", "x", "4-2"].map((words) => unitsFrom(words, 12) ?? null),
  wrong: unitsFrom("x", 12) === undefined,
  values,
  difference: firstDifference([rule, { ...rule, from: 9 }], [rule]),
  condensed: [...condensed(Float32Array.of(1, 3, 5, 7), 2)],
  reach: [reach([0.5, -0.9]), reach([3, -2]), reach([...new Array(99).fill(0), 50])],
  gradient: [0, 128, 255].map((step) => gradient([[0, 0, 0], [255, 0, 51]])[step]),
}));
"""
    )
    assert told["units"] == [None, None, [3], [3, 7, 8, 9], None, None, None]
    assert told["wrong"]
    assert told["values"] == [0, 7, 3, 4]
    assert told["difference"] == 9
    assert told["condensed"] == [2, 6]
    assert told["reach"] == [1, 4, 1]
    assert told["gradient"] == [[0, 0, 0], [128, 0, 26], [255, 0, 51]]


def test_a_page_is_one_file_that_asks_for_nothing(trained: Trained, lstmctl: Command) -> None:
    run = trained("small")
    done = lstmctl("export", run.name, "--to", "html", "--json")
    assert done.code == 0, done.err
    told = json.loads(done.out)
    assert told["path"] == f"{run.name}.html"
    assert [path.name for path in Path().glob("*.html")] == [told["path"]]
    page = Path(told["path"]).read_text(encoding="utf-8")
    assert told["bytes"] == len(page.encode())
    assert not re.findall(r"(?:src|href)=\"(?!data:)", page)
    assert "default-src 'none'" in page
    (own,) = told["runs"]
    if own["checked_by"]:
        assert own["difference"] < CLOSE
        assert f"at most {own['difference']:.2g} logits, over 500 time steps of held-out data" in page
    shown = lstmctl("export", run.name, "--to", "html", "--force")
    assert shown.code == 0
    assert "page" in shown.out
    again = lstmctl("export", run.name, "--to", "html")
    assert again.code == 2
    assert "already exists" in again.err


def test_scripts_of_a_page_fit_together() -> None:
    in_node("console.log(null)")
    Path("page.mjs").write_text(script(), encoding="utf-8")
    done = subprocess.run(["node", "--check", "page.mjs"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "</script" not in script()


def test_what_has_no_page_is_refused(trained: Trained) -> None:
    small = trained("small")
    with pytest.raises(UsageError, match=r"small-lstm-001 writes texts, but intents-lstm-001 labels texts"):
        export_page([small, trained(*INTENTS)])
    movements = trained("movements", "training.budget=3 steps", "threads=1")
    with pytest.raises(UsageError, match=r"movements-\w+-001 has no living page"):
        export_page([movements])
    with pytest.raises(UsageError, match="may be float32 or float16, not int8"):
        export_page([small], precision="int8")
    Path("mine.html").write_text("<p>mine</p>")
    with pytest.raises(UsageError, match=r"mine\.html is not such a page"):
        export_page([small], "mine.html", force=True)
    assert Path("mine.html").read_text() == "<p>mine</p>"
    assert list(Path().glob("*.html")) == [Path("mine.html")]


def test_a_full_disk_leaves_the_old_page(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    from lstmctl import storage

    run = trained("small")
    export_page([run], "page.html")
    before = Path("page.html").read_bytes()

    def full(*arguments: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(storage, "write_synced", full)
    with pytest.raises(ResourceError, match=r"page\.html.* cannot be written"):
        export_page([run], "page.html", precision="float16", force=True)
    assert Path("page.html").read_bytes() == before


def test_half_precision_halves_a_page(trained: Trained) -> None:
    run = trained("small", "model.hidden=64")
    whole, half = (export_page([run], f"{one}.html", precision=one) for one in ("float32", "float16"))
    weights = 4 * whole.runs[0].parameters * 4 / 3
    assert whole.bytes - half.bytes == pytest.approx(weights / 2, rel=0.02)


def test_a_page_computes_what_its_run_computes(trained: Trained) -> None:
    run = trained("small", "model.layers=1")
    export_page([run], "page.html")
    told = in_chromium(
        Path("page.html"),
        """
await page.fill("#text", "Ann sees a tr");
await settled();
const outcomes = () => page.locator(".outcomes li").allTextContents();
const free = await page.evaluate(() => [...lstmctl.view.networks[0].base.frames.at(-1).probabilities]);
const rows = await outcomes();
await page.evaluate(() => lstmctl.view.select(4));
await page.getByRole("button", { name: "f = 0" }).click();
await page.evaluate(() => lstmctl.view.select(12));
await settled();
const held = await page.evaluate(() => [...lstmctl.view.networks[0].altered.frames.at(-1).probabilities]);
const continued = await page.locator(".continuation").allTextContents();
const chip = await page.locator(".rules li").allTextContents();
await page.getByRole("button", { name: /^Release/ }).click();
await settled();
const released = await outcomes();
await page.getByRole("button", { name: "Next character" }).click();
await settled();
const length = (await page.inputValue("#text")).length;
await page.fill("#text", "Ann € sees");
await settled();
const notice = await page.locator(".warning[role=status]").textContent();
return { free, rows, held, continued, chip, released, length, notice };
""",
    )
    free, held = (clamped_scores(run, "Ann sees a tr", start).softmax(-1) for start in (99, 4))
    torch.testing.assert_close(torch.tensor(told["free"]), free, atol=1e-5, rtol=0)
    torch.testing.assert_close(torch.tensor(told["held"]), held, atol=1e-5, rtol=0)
    best = int(free.argmax())
    assert told["rows"][0].startswith(run.task.encoding.symbols[best].replace(" ", "␣"))
    assert len(told["continued"]) == 2
    assert told["chip"] == ["f = 0, from character 5×"]
    assert told["released"] == told["rows"]
    assert told["length"] == 14
    assert told["notice"] == "The network does not know “€”, and skips it."


def test_a_page_by_keyboard_on_a_phone_in_the_dark(trained: Trained) -> None:
    export_page([trained("small"), trained("small", "model.cell=gru")], "page.html")
    told = in_chromium(
        Path("page.html"),
        """
await page.locator("canvas").first().focus();
const keys = ["Home", "ArrowRight", "ArrowRight", "PageDown", "PageDown", "ArrowDown"];
for (const key of keys) await page.keyboard.press(key);
await settled();
const said = await page.locator(".hover").first().textContent();
await page.getByRole("button", { name: "Silence this unit" }).first().click();
await settled();
const hidden = await page.evaluate(() => lstmctl.view.networks[0].altered.frames.at(-1).shown.hidden_1[1]);
const names = await page.locator(".network h3").allTextContents();
const overflow = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
return { said, hidden, names, overflow };
""",
        width=400,
        scheme="dark",
    )
    assert re.match(r"After “.” \(3\): input gate i, layer 1, unit 1: 0\.\d{3} \(f ", told["said"])
    assert told["hidden"] == 0
    assert told["names"] == ["small-lstm-001", "small-gru-001"]
    assert not told["overflow"]


def test_a_page_of_labels(trained: Trained) -> None:
    run = trained(*INTENTS)
    export_page([run], "page.html")
    told = in_chromium(
        Path("page.html"),
        """
await page.fill("#text", "turn on the light");
await settled();
const rows = await page.locator(".outcomes li").allTextContents();
return { rows, answer: await page.locator(".network .soft").first().textContent() };
""",
    )
    (expected,) = run.predict(["turn on the light"])
    assert told["answer"] == f"Answer after character 17: {expected.label}"
    assert len(told["rows"]) == len(run.task.encoding.labels)


def test_a_page_of_a_forecaster_follows_what_is_dragged(trained: Trained) -> None:
    run = trained("waves")
    export_page([run], "page.html")
    told = in_chromium(
        Path("page.html"),
        """
const point = () => page.evaluate(() => [...lstmctl.view.now[0].point]);
const free = await point();
const canvas = page.locator("canvas").first();
const box = await canvas.boundingBox();
const last = await page.evaluate(() => 10 + 11 * lstmctl.view.plots[0].step);
await page.mouse.move(box.x + last, box.y + 150);
await page.mouse.down();
await page.mouse.move(box.x + last, box.y + 60);
await page.mouse.up();
await settled();
const dragged = await page.evaluate(() => [...lstmctl.view.inputs.values]);
const followed = await point();
await canvas.focus();
await page.keyboard.press("Delete");
await settled();
const undone = await point();
const rows = await page.locator("table tr").count();
return { free, dragged, followed, undone, rows, said: await page.locator("output").textContent() };
""",
    )
    values = torch.tensor(told["dragged"], dtype=torch.float64).reshape(12, 2)
    export(run, "numpy", "model")
    names: dict[str, Any] = {"__file__": str(Path("model", "model.py")), "__name__": "exported"}
    exec(Path("model", "model.py").read_text(), names)
    point, _, _ = names["forecast"](values.numpy())
    assert told["followed"] == pytest.approx(point.ravel().tolist(), rel=1e-5)
    assert told["followed"] != pytest.approx(told["free"], rel=1e-3)
    assert told["undone"] == told["free"]
    assert told["rows"] == 5
    assert told["said"] == "a, the last row"


def test_forecasters_of_different_rows_have_no_common_page(trained: Trained) -> None:
    with pytest.raises(UsageError, match="read different rows"):
        export_page([trained("waves"), trained("waves", "task.lookback=18", "model.cell=lstm")])
    told = in_node(
        """
import { extent, rounded } from "./forecast_view.js";
console.log(JSON.stringify([extent([1, NaN, 3]), extent([]), extent([5, 5]), rounded(12.3456), rounded(NaN)]));
"""
    )
    assert told == [[pytest.approx(0.88), pytest.approx(3.12)], [0, 1], [4.5, 5.5], "12.35", "missing"]


def test_a_page_labels_every_character(trained: Trained) -> None:
    run = trained("tags", "training.budget=8 steps", "model.hidden=12", "threads=1", "model.layers=2")
    export_page([run], "page.html")
    (example,) = run.predict(["mail Ann at nine"])
    told = in_chromium(
        Path("page.html"),
        """
await page.fill("#text", "mail Ann at nine");
await settled();
return page.evaluate(() => {
  const { base } = lstmctl.view.networks[0];
  return base.frames.map(({ probabilities }) => base.outcomes[probabilities.indexOf(Math.max(...probabilities))]);
});
""",
    )
    assert told == list(example.labels)


def test_a_page_writes_for_a_label(trained: Trained) -> None:
    run = trained("places", "data.vocabulary=training")
    export_page([run], "page.html")
    told = in_chromium(
        Path("page.html"),
        """
await page.fill("#text", "");
const shares = [];
for (const label of ["finland", "spain"]) {
  await page.locator("label", { hasText: /^label/ }).locator("select").selectOption({ label });
  await settled();
  shares.push(await page.locator(".outcomes li").allTextContents());
}
await page.getByLabel("Temperature").fill("0");
await page.getByRole("button", { name: "Write on" }).click();
await settled();
const own = await page.evaluate(() => {
  const [model] = lstmctl.models;
  const label = model.vocabularies.labels.entries.indexOf("spain");
  return [...model.write("", { inputs: { label }, temperature: 0 })].join("");
});
const notice = await page.locator(".warning[role=status]").textContent();
return { shares, own, notice, text: await page.inputValue("#text") };
""",
    )
    assert told["shares"][0] != told["shares"][1]
    assert told["notice"] == "The network ended the text."
    assert told["text"] == told["own"]


def test_a_page_in_the_runs_folder_is_linked_from_its_report(
    trained: Trained, lstmctl: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = trained("small")
    report = run.path.absolute() / "report.html"
    command = "lstmctl export . --to html --output page.html"
    write_report(run.path)
    assert command in report.read_text(encoding="utf-8")
    with monkeypatch.context() as there:
        there.chdir(run.path)
        done = lstmctl(*command.split()[1:])
    assert done.code == 0, done.err
    assert f"<title>{run.name}" in (run.path / "page.html").read_text(encoding="utf-8")
    assert '<a href="page.html">the trained network</a>' in report.read_text(encoding="utf-8")
    assert command not in report.read_text(encoding="utf-8")
    labels = trained("intents", "training.budget=8 steps", "model.hidden=12", "threads=1")
    assert "--to html" in (labels.path / "report.html").read_text(encoding="utf-8")
    frames = trained("movements", "training.budget=8 steps", "model.hidden=12", "model.cell=rnn", "threads=1")
    assert "--to html" not in (frames.path / "report.html").read_text(encoding="utf-8")


def test_a_page_of_a_transformer_beside_an_ngram_model(trained: Trained) -> None:
    options = ("model.cell=transformer", "model.hidden=16", "model.options={context: 20, heads: 2}")
    run = trained("small", *options, "model.ngram=0.4")
    export_page([run], "page.html")
    told = in_chromium(
        Path("page.html"),
        """
await page.fill("#text", "Ann sees a tr");
await settled();
const shares = await page.evaluate(() => [...lstmctl.view.networks[0].base.frames.at(-1).probabilities]);
const about = await page.locator("dd").allTextContents();
const headings = await page.getByRole("heading", { level: 2 }).allTextContents();
return { shares, about, headings };
""",
    )
    (likely,) = run.predict(["Ann sees a tr"])
    assert likely.probabilities is not None
    names = run.task.encoding.symbols
    assert dict(zip(names, told["shares"], strict=True)) == pytest.approx(likely.probabilities, abs=1e-5)
    assert any("n-gram model with a context" in fact for fact in told["about"])
    assert told["headings"] == ["Type or paste a text", "Probabilities along the text", "About"]
