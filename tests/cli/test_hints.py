"""Every hint that names a command or a setting can be followed: what it names is run, and is accepted."""

from __future__ import annotations

import ast
import datetime
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import lstmctl as package
from lstmctl import load_run
from tests.conftest import Command, Trained, sentences, write_places_config, write_series_config, write_small_config
from tests.sounds import tone, wave_bytes

PACKAGE = Path(package.__file__).parent
NAMED = re.compile(
    r"(?:data|task|training|model)\.\w+=|\b(?:seed|threads|device)=|(?<![\w-])--[a-z][a-z-]+"
    r"|lstmctl (?:train|evaluate|compare|inspect|data|config|runs)\b|\biconv "
)
"""Parts of a hint that can be typed."""


def hours(count: int = 40, start: str = "2023-01-05") -> list[str]:
    begin = datetime.datetime.fromisoformat(start)
    return [str(begin + datetime.timedelta(hours=row)) for row in range(count)]


def table(rows: list[str], header: str = "date,y") -> str:
    return "\n".join([header, *rows]) + "\n"


def numbered(dates: list[str], header: str = "date,y") -> str:
    return table([f"{date},{row % 7}" for row, date in enumerate(dates)], header)


def labelled(label: Callable[[int], object], count: int = 40, header: str = "text,label") -> str:
    return table([f"{'ab'[row % 2]}b{'a' * (row % 3)},{label(row)}" for row in range(count)], header)


@dataclass
class Case:
    """A mistake, and what its hint names."""

    typed: list[str]
    """The command that is refused."""
    follow: list[str]
    """All that the hint names: a command, or an override or option to add to the command that was typed."""
    files: dict[str, str | bytes] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    """Replacements for NAME and similar placeholders."""
    runs: list[str] = field(default_factory=list)
    """Runs of these configs are there: see `Trained`."""
    before: Callable[[], object] = lambda: None
    """Called before the command, to change the runs."""
    again: list[str] = field(default_factory=list)
    """Another command to which the named option applies."""


SOUNDS = {
    f"clips/{label}_{speaker}_{take}.wav": wave_bytes(tone(hertz))
    for label, hertz in (("up", 300), ("low", 200))
    for speaker in ("ann", "bob", "cyr")
    for take in range(4)
}
AUDIO = ["data", "show", "f.yaml", "task.type=classification", "data.audio=clips", "data.bands=8"]
NAMES = "data.file_names='{label}_{speaker}_{take}'"
SHOW = ["data", "show", "f.yaml", "data.series=t.csv"]
LABELS = ["data", "show", "f.yaml", "task.type=classification", "data.table=t.csv"]
TRAIN = ["train", "f.yaml", "--quiet"]
F = """\
model: {hidden: 4, embedding: 4}
task: {type: forecast, lookback: 4, horizon: 2, calibration: none}
training: {budget: 1 steps, batch: 2, precision: float32}
data: {series: t.csv}
threads: 1
"""
T = """\
model: {hidden: 4, embedding: 4}
training: {budget: 1 steps, batch: 2, window: 4, precision: float32}
data: {text: t.txt}
threads: 1
"""
SWAPPED, TWICE, GAP = hours(), hours(), hours()
SWAPPED[5], SWAPPED[6] = SWAPPED[6], SWAPPED[5]
TWICE.insert(6, TWICE[5])
del GAP[7]


def moved(name: str) -> Callable[[], object]:
    """The data of a run that is trained here lies elsewhere now."""
    return lambda: (Path("there").mkdir(), shutil.move(name, f"there/{name}"))


def grown(name: str) -> Callable[[], object]:
    """The data of a run has more at its end now."""
    return lambda: Path(name).write_bytes(Path(name).read_bytes() * 2)


def unfinished() -> None:
    """The newest run was stopped."""
    folder = load_run("latest").folder
    folder.update(status="interrupted")


COMPARE = ["compare", "rnn", "gru", "--config", "t.yaml", "--seeds", "1", "--quiet"]
JOINT = "task.decoding=recursive task.loss=gaussian"
IRREGULAR = hours(20) + hours(20, "2023-02-03 00:07")
TWO_DATES = table([f"{date},{date},{row % 7}" for row, date in enumerate(hours())], "a b,when,y")
SHOPS = table([f"{date},{'ab'[row % 2]},{row % 7}" for row, date in enumerate(hours())], "date,my shop,y")
CONSTANT = table([f"{date},{row % 7},{row // 39}" for row, date in enumerate(hours())], "date,y,my size")
HOLES = table([f"{date},{row % 7 if row % 9 != 4 else ''}" for row, date in enumerate(hours())])
EMPTY_IN_PART = table(
    [f"{date},{row % 7},{row % 5 if row > 3 else ''}" for row, date in enumerate(hours())], "date,y,z"
)
FRAMES = table([f"r{row // 4},{row % 5},{row % 3},{'xy'[row // 4 % 2]}" for row in range(80)], "recording,a,b,label")

CASES = {
    "sound without labels": Case(AUDIO, [f'"{NAMES}"'], SOUNDS),
    "sound that is long": Case([*AUDIO, NAMES, "data.longest=0.01"], ["data.longest="], SOUNDS),
    "frames of no samples": Case(
        [*AUDIO, NAMES, "data.frame_step=0.01"], ["data.frame_length=25 data.frame_step=10"], SOUNDS
    ),
    "too many bands": Case([*AUDIO, NAMES, "data.bands=80"], ["data.bands="], SOUNDS),
    "sound without times": Case(
        ["data", "show", "f.yaml", "task.type=tagging", "data.audio=clips", "data.bands=8"],
        ["data.audio="],
        {
            **SOUNDS,
            "TABLE.csv": table([f"{file},0.01,0.05,tone" for file in SOUNDS], "file,start,end,label"),
        },
    ),
    # Tables of series.
    "rows out of order": Case(
        SHOW,
        ["data.order=sort", "data.id=NAME"],
        {"t.csv": table([f"{date},{row % 7}" for row, date in enumerate(SWAPPED)])},
        names={"data.id=NAME": "data.id=null data.order=sort"},
    ),
    "a time twice": Case(
        SHOW,
        ["data.duplicates=first", "data.id=NAME"],
        {"t.csv": numbered(TWICE)},
        {"data.id=NAME": "data.duplicates=last"},
    ),
    "a missing row": Case(
        SHOW,
        ["data.missing=interpolate", "data.missing=mask", 'data.step="1 row"', 'data.step="1 day"'],
        {"t.csv": numbered(GAP)},
        {'data.step="1 day"': 'data.step="1 hour" data.missing=mask'},
    ),
    "a value without a logarithm": Case(
        [*SHOW, "data.transform=log"],
        ["data.transform=log1p"],
        {"t.csv": table([f"{date},{row % 7}" for row, date in enumerate(hours())])},
    ),
    "a value without any logarithm": Case(
        [*SHOW, "data.transform=log"],
        ["data.transform=none"],
        {"t.csv": table([f"{date},{row % 7 - 3}" for row, date in enumerate(hours())])},
    ),
    "missing values": Case(SHOW, ["data.missing=interpolate", "data.missing=mask"], {"t.csv": HOLES}),
    "a column that is empty in a part": Case(
        [*SHOW, "data.missing=interpolate"],
        ["data.missing=mask", "data.targets=[…]"],
        {"t.csv": EMPTY_IN_PART},
        names={"[…]": "[y]"},
    ),
    "irregular times": Case(
        SHOW,
        ['data.step="1 row"', 'data.step="1 day"'],
        {"t.csv": numbered(IRREGULAR)},
        {"1 day": "1 row"},
    ),
    "two columns of dates": Case(
        [*SHOW, "data.targets=[y]"],
        ["'data.time=\"a b\"'", "data.time=year+month+day"],
        {"t.csv": TWO_DATES},
        names={"year+month+day": "'a b'"},
    ),
    "a column of text": Case(SHOW, ["'data.targets=[y]'", "'data.id=\"my shop\"'"], {"t.csv": SHOPS}),
    "no column of dates": Case(
        SHOW,
        ["data.time=NAME"],
        {"t.csv": table([f"{row}.5,{row % 7}.5" for row in range(40)], "n,y").replace(".5,", ",")},
        names={"NAME": "n"},
    ),
    "dates in an unusual format": Case(
        SHOW,
        ['data.date_format="%d.%m.%Y %H:%M"'],
        {"t.csv": numbered([f"on {date}" for date in hours()])},
        names={"%d.%m.%Y %H:%M": "on %Y-%m-%d %H:%M:%S"},
    ),
    "a separator that is not the table's": Case(
        [*SHOW, "data.separator=';'"], ["'data.separator=\",\"'"], {"t.csv": numbered(hours())}
    ),
    "calendar features without dates": Case(
        [*SHOW, "data.time=n", "data.calendar=[hour]", "data.targets=[y]"],
        ["data.time=NAME"],
        {"t.csv": table([f"{row},{date},{row % 7}" for row, date in enumerate(hours())], "n,date,y")},
        names={"NAME": "date"},
    ),
    "a static column that changes": Case(
        [*SHOW, "data.static=[my size]", "data.targets=[y]"],
        ["'data.known=[\"my size\"]'", "'data.past=[\"my size\"]'"],
        {"t.csv": CONSTANT},
        {"'data.known": "data.static=[] 'data.known", "'data.past": "data.static=[] 'data.past"},
    ),
    "a split by dates of a table of numbers": Case(
        [*SHOW, "data.time=n", "data.split=[2023-01-06, 2023-01-07]"],
        ["'data.split=[0.7,0.1,0.2]'"],
        {"t.csv": numbered([str(row) for row in range(40)], "n,y")},
    ),
    "too few rows to calibrate": Case(
        [*TRAIN, "task.calibration=separate", "data.split=[30,3]"],
        ["task.calibration=shared", "=none"],
        {"t.csv": numbered(hours())},
        names={"=none": "task.calibration=none"},
    ),
    # Tables of labels.
    "no column of labels": Case(
        LABELS,
        ["data.label=NAME"],
        {"t.csv": labelled(lambda row: "xy"[row % 2], header="text,kind")},
        {"NAME": "kind"},
    ),
    "no column of texts": Case(
        LABELS,
        ["data.text=NAME", "data.sequence=NAME", "data.window=50"],
        {"t.csv": FRAMES.replace("label", "label", 1)},
        {"data.text=NAME": "data.text=recording", "data.sequence=NAME": "data.sequence=recording", "50": "4"},
    ),
    "labels that change within a sequence": Case(
        [*LABELS, "data.sequence=recording"],
        ["task.type=tagging"],
        {"t.csv": table([f"r{row // 4},{row % 5},{'xy'[row % 2]}" for row in range(80)], "recording,a,label")},
    ),
    "numbers that change within a sequence": Case(
        [*LABELS, "task.type=regression", "data.sequence=recording"],
        [],
        {"t.csv": table([f"r{row // 4},{row % 5},{row % 2}" for row in range(80)], "recording,a,label")},
    ),
    "numbers as labels": Case(LABELS, ["task.type=regression"], {"t.csv": labelled(lambda row: row + 0.5)}),
    "labels as numbers": Case(
        [*LABELS, "task.type=regression"],
        ["task.type=classification", "data.label=NAME"],
        {"t.csv": table([f"a{'b' * (row % 3)},{'xy'[row % 2]},{row % 4}" for row in range(40)], "text,label,size")},
        {"NAME": "size"},
    ),
    "several columns of labels": Case(
        [*LABELS, "data.label=[label,size]"],
        ["data.label=label"],
        {"t.csv": table([f"a{'b' * (row % 3)},{'xy'[row % 2]},{row % 4}" for row in range(40)], "text,label,size")},
    ),
    "a window that is longer than the recording": Case(
        [*LABELS, "data.window=500"],
        ["data.window=8"],
        {"t.csv": table([f"{row % 5},{'xy'[row // 8 % 2]}" for row in range(80)], "a,label")},
    ),
    "a frame without columns": Case(
        [*LABELS, "data.sequence=recording"],
        ["data.features=[NAME]"],
        {"t.csv": table([f"r{row // 4},{row % 5},{'xy'[row // 4 % 2]}" for row in range(80)], "recording,id,label")},
        {"NAME": "id"},
    ),
    "a text for labels without texts": Case(
        [*LABELS, "task.type=generation-from-label", "data.sequence=recording"],
        ["data.text=NAME"],
        {"t.csv": FRAMES},
        {"NAME": "recording data.sequence=null"},
    ),
    # Texts.
    "a text that is not UTF-8": Case(
        ["data", "show", "t.yaml"], ["iconv ", "data.symbols=bytes"], {"t.txt": ("caf\xe9 " * 40).encode("latin1")}
    ),
    "a text that is not there": Case(
        ["data", "show", "t.yaml"],
        ["data.text=PATH/t.txt"],
        before=moved("t.txt"),
        names={"PATH": "there"},
    ),
    "a window longer than the text": Case(
        ["train", "t.yaml", "--quiet", "training.window=5000"],
        ["training.batch=1 training.window=96"],
        {"t.txt": "abcab\n" * 40},
    ),
    "a batch larger than the text": Case(
        ["train", "t.yaml", "--quiet", "training.batch=5000"], ["training.batch=32"], {"t.txt": "abcab\n" * 40}
    ),
    "a batch and a window larger than the text": Case(
        ["train", "t.yaml", "--quiet", "training.batch=5000", "training.window=500"],
        ["training.batch=1 training.window=96"],
        {"t.txt": "abcab\n" * 40},
    ),
    # Runs.
    "a text that moved": Case(
        ["evaluate", "latest", "--split", "test"],
        ["data.text=PATH/small.txt"],
        runs=["here small"],
        names={"PATH": "there"},
        before=moved("small.txt"),
    ),
    "a table that moved": Case(
        ["backtest"],
        ["data.series=PATH/small.csv"],
        runs=["here waves"],
        names={"PATH": "there"},
        before=moved("small.csv"),
    ),
    "a table of labels that moved": Case(
        ["inspect", "gates", "latest"],
        ["data.table=PATH/places.csv"],
        runs=["here places"],
        names={"PATH": "there"},
        before=moved("places.csv"),
    ),
    "a text that changed": Case(
        ["evaluate", "latest"], ["lstmctl evaluate "], runs=["here small"], before=grown("small.txt")
    ),
    "a run that is resumed with other settings": Case(
        ["train", "--resume", "latest", "training.learning_rate=1e-4", "training.budget=70 steps"],
        ["lstmctl train ", "--allow-config-change"],
        runs=["here small"],
    ),
    "weights of another network": Case(
        ["train", "small.yaml", "--init-from", "latest", "model.hidden=13", "model.cell=gru"],
        ["model.cell=lstm model.hidden=12"],
        runs=["here small"],
    ),
    "a forecast of a text": Case(
        ["forecast", "small-lstm-001"],
        ["lstmctl train energy", "lstmctl runs list"],
        runs=["small"],
        names={"lstmctl train energy": "lstmctl config check energy"},
    ),
    "a task that no run has": Case(["forecast"], ["lstmctl config list"], runs=["small"]),
    "a run that is not there": Case(["evaluate", "nosuch"], ["lstmctl runs list"]),
    "a comparison that is not there": Case(["compare", "--resume", "nosuch"], ["lstmctl runs list"]),
    "no comparison": Case(
        ["compare", "--resume", "latest"],
        ["lstmctl compare rnn lstm"],
        names={"rnn lstm": "rnn lstm --config t.yaml --seeds 1 --quiet"},
    ),
    "no run": Case(
        ["generate"],
        ["lstmctl train"],
        names={"lstmctl train": "lstmctl train t.yaml --quiet"},
    ),
    "an unknown symbol in a prompt": Case(["generate", "--prompt", "é"], ["--replace-unknown"], runs=["small"]),
    "no label": Case(["generate", "places-gru-001"], ["--label finland"], runs=["places"]),
    "a config that is not there": Case(["train", "nosuch"], ["lstmctl config list"]),
    "sample paths without a joint distribution": Case(
        ["generate", "waves-gru-001"],
        ["task.decoding=recursive", "task.loss=gaussian"],
        runs=["waves"],
        names={"task.decoding=recursive": JOINT, "task.loss=gaussian": JOINT},
        before=lambda: write_series_config(Path.cwd()),
        again=["train", "waves.yaml", "training.budget=2 steps", "--quiet"],
    ),
    "data that changed before a run is resumed": Case(
        ["train", "--resume", "latest", "--quiet"],
        ["--allow-data-change"],
        runs=["here small"],
        before=lambda: (unfinished(), grown("small.txt")()),
    ),
    "a config among the cells of a comparison": Case(["compare", "t.yaml"], ["--config t.yaml"], again=[*COMPARE]),
    "a grid without a key": Case(
        [*COMPARE, "--tune", "training.learning_rate=1e-3"], ["--tune training.learning_rate=1e-3,3e-3"], again=COMPARE
    ),
    "one cell to compare": Case(
        [*COMPARE[:2], *COMPARE[3:]],
        ["lstmctl compare rnn lstm", '--arm "wide: lstm model.hidden=512"', "--seeds 3"],
        names={
            "rnn lstm": " ".join(map(shlex.quote, COMPARE[1:])),
            "wide: lstm model.hidden=512": "wide: lstm model.hidden=5",
            "--seeds 3": "--seeds 2",
        },
    ),
    "a time for a config": Case(
        ["train", "t.yaml", "--time", "10m"],
        ['training.budget="10 minutes"'],
        names={"10 minutes": "1 steps"},
        again=["train", "t.yaml"],
    ),
    "a text instead of a cell": Case(
        ["compare", "t.txt"],
        ["--data t.txt"],
        again=[
            "compare",
            "rnn",
            "gru",
            "--seeds",
            "1",
            "--quiet",
            "training.budget=1 steps",
            "model.hidden=4",
            "threads=1",
        ],
    ),
    "no cell to compare": Case(
        ["compare", "--seeds", "1"],
        ["lstmctl compare rnn lstm", '--arm "wide: lstm model.hidden=512"'],
        names={
            "rnn lstm": " ".join(map(shlex.quote, COMPARE[1:])),
            "wide: lstm model.hidden=512": "wide: lstm model.hidden=5",
        },
        again=COMPARE,
    ),
    "a cell of one's own": Case(
        ["train", "mine.yaml", "--quiet"],
        ["--trust"],
        {
            "mine.yaml": T.replace("{hidden", '{cell: "mine:Mine", hidden'),
            "mine.py": "from lstmctl.cells.gru import GRU\n\n\nclass Mine(GRU):\n    pass\n",
        },
    ),
    "a folder that is not empty": Case(
        ["data", "prepare", "t.yaml", "--to", "there"],
        ["--to FOLDER"],
        {"there/other": "x"},
        names={"FOLDER": "made"},
    ),
    "no known distances": Case(["inspect", "recall", "latest"], ["lstmctl inspect gradients"], runs=["small"]),
    "a device that is not there": Case(["train", "t.yaml", "device=cuda:77"], ["device=auto"]),
}


HERE: dict[str, Callable[[Path], Path]] = {
    "small": lambda folder: _small(folder),
    "waves": write_series_config,
    "places": write_places_config,
}


def _small(folder: Path) -> Path:
    (folder / "small.txt").write_text(sentences(450))
    return write_small_config(folder / "small.txt")


def placed(text: str, names: dict[str, str]) -> str:
    for name, value in names.items():
        text = text.replace(name, value)
    return text


@pytest.mark.parametrize("name", CASES)
def test_what_a_hint_names_is_accepted(name: str, lstmctl: Command, tmp_path: Path, trained: Trained) -> None:
    case = CASES[name]
    for file, content in {"f.yaml": F, "t.yaml": T, "t.txt": "abcab\n" * 400, **case.files}.items():
        path = tmp_path / file
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    for run in case.runs:
        if run.startswith("here "):  # with its data in the same folder
            config = HERE[run.removeprefix("here ")](tmp_path)
            assert lstmctl("train", str(config), "training.budget=4 steps", "--quiet").code == 0
        else:
            trained(run)
    case.before()
    refused = lstmctl(*case.typed)
    assert refused.code in (2, 3, 4), refused
    assert "\nhint: " in refused.err, refused.err
    hint = refused.err.rpartition("\nhint: ")[2].strip()
    rest = hint
    typed = []
    for named in case.follow:
        assert named in rest, hint
        # A command, or a setting without a value, extends to the end of its part of the hint.
        named = re.search(re.escape(named) + (r".*?(?=; |, or | or |$)" if named.endswith((" ", "=")) else ""), rest)[0]
        typed.append(named.removesuffix(" instead"))
        rest = rest.replace(named, "", 1)
    assert not NAMED.search(rest), f"the hint names more than was tried: {rest}"
    for named in typed:
        if named.startswith("iconv "):
            subprocess.run(named, shell=True, check=True)
            continue
        words = shlex.split(placed(named, case.names))
        words = words[1:] if words[0] == "lstmctl" else [*(case.again or case.typed), *words]
        result = lstmctl(*words)
        assert result.code == 0, (words, result.err)


ELSEWHERE = {
    "training.accumulate=": "the memory is enough here",
    "--jobs": "the memory is enough here",
    "--precision": "the kernels are there on most machines",
    "training.precision=": "a number format that a machine lacks, or a divergence that it may prevent",
    "--match": "tests/comparison/test_matching.py",
    "training.patience=": "tests/comparison/test_planning.py",
    "model.cell=": "names what changed, not what to type",
    "lstmctl data": "names the command whose config and folder the user knows, or a download",
    "--split": "the distances of a text are known for some parts only",
    "--nproc-per-node": "torchrun",
    "--rdzv-id": "torchrun",
    "--resume": "torchrun",
    "--allow-config-change": "tests/api/test_resuming.py",
    "--limit": "tests/data/test_downloading.py",
    "--name": "tests/cli/test_names.py",
    "data.split_by=": "tests/data/test_series.py",
    "data.zone=": "tests/data/test_dates.py",
    "data.holidays=": "tests/data/test_holidays.py",
    "data.calendar=": "tests/data/test_holidays.py",
    "--baseline": "tests/baselines/test_packages.py",
    "--force": "tests/export/test_exporting.py",
    "--output": "tests/export/test_exporting.py",
    "--with-data": "tests/api/test_publishing.py",
    "model.ngram=": "tests/api/test_publishing.py",
    "--init-from": "tests/api/test_publishing.py",
    "--state": "tests/api/test_streaming.py",
    "--intervals": "tests/api/test_streaming.py",
    "model.direction=": "tests/api/test_streaming.py",
    "model.ridge=": "no window is complete, and a part of a series seldom lacks all",
}
"""Names in hints that no case here can follow, and the reasons."""


def named_in_hints() -> Iterator[tuple[str, str]]:
    """Everything that can be typed of every hint in the source, with the place of it."""
    constants: dict[str, ast.expr] = {}
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(PACKAGE.rglob("*.py"))}
    for tree in trees.values():
        for node in tree.body:
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                constants[node.targets[0].id] = node.value
    for path, tree in trees.items():
        for node in ast.walk(tree):
            hints = [word.value for word in node.keywords if word.arg == "hint"] if isinstance(node, ast.Call) else []
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in ("hint", "error.hint", "remedy"):
                hints.append(node.value)
            for hint in hints:
                used = [
                    constants[one.id] for one in ast.walk(hint) if isinstance(one, ast.Name) and one.id in constants
                ]
                for part in (one for whole in (hint, *used) for one in ast.walk(whole)):
                    if isinstance(part, ast.Constant) and isinstance(part.value, str):
                        for found in NAMED.finditer(part.value):
                            yield found[0].strip(), f"{path.relative_to(PACKAGE)}:{node.lineno}: {part.value}"
                    if isinstance(part, ast.Call) and ast.unparse(part.func) == "setting":
                        assert isinstance(part.args[0], ast.Constant)
                        yield f"{part.args[0].value}=", f"{path.relative_to(PACKAGE)}:{node.lineno}"


def test_every_setting_and_command_of_a_hint_is_tried() -> None:
    tried = " ".join(named for case in CASES.values() for named in case.follow)
    missing = [
        f"{named}  ({place})" for named, place in named_in_hints() if named not in tried and named not in ELSEWHERE
    ]
    assert not missing, "\n".join(missing)
