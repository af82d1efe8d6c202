"""The wheel: it carries the configs and the text, and works alone in an empty folder."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent
CONTENTS = ("pyproject.toml", "README.md", "lstmctl", "configs", "data")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not all((CHECKOUT / name).exists() for name in CONTENTS):
        pytest.skip("not in a checkout")
    copy, built = tmp_path_factory.mktemp("copy"), tmp_path_factory.mktemp("built")
    for name in CONTENTS:
        source = CHECKOUT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, copy / name)
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(built)]
    result = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    (path,) = built.glob("lstmctl-*-py3-none-any.whl")
    return path


def test_it_carries_what_the_package_needs(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        text = archive.read("lstmctl/_bundled/data/travellers.txt")
    configs = {f"lstmctl/_bundled/configs/{path.name}" for path in (CHECKOUT / "configs").glob("*.yaml")}
    assert len(configs) >= 4
    assert configs <= names
    assert text == (CHECKOUT / "data/travellers.txt").read_bytes()
    modules = {path.relative_to(CHECKOUT).as_posix() for path in (CHECKOUT / "lstmctl").rglob("*.py")}
    assert modules <= names
    assert not [name for name in names if name.startswith(("tests/", "benchmarks/", "docs/"))]


def test_installed_alone_it_works_outside_any_checkout(wheel: Path, tmp_path: Path) -> None:
    installed, work = tmp_path / "installed", tmp_path / "work"
    work.mkdir()
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-index"]
    subprocess.run([*pip, "--target", str(installed), str(wheel)], check=True, capture_output=True)
    environment = {**os.environ, "PYTHONPATH": str(installed)}

    def run(*command: str) -> str:
        program = [sys.executable, *command]
        result = subprocess.run(program, cwd=work, env=environment, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr
        return result.stdout

    bundled = installed / "lstmctl/_bundled"
    show = "import lstmctl.bundled as b; print(b.__file__, b.configs(), b.data(), sep='\\n')"
    assert run("-c", show).splitlines() == [
        str(path) for path in (installed / "lstmctl/bundled.py", bundled / "configs", bundled / "data")
    ]
    # A mark in the copy proves that it, and not the checkout's, is read.
    (bundled / "configs" / "only-in-this-copy.yaml").write_text("data: {text: travellers.txt}\n")
    listed = run("-m", "lstmctl", "config", "list")
    assert "travellers" in listed
    assert "only-in-this-copy" in listed
    assert "training" in run("-m", "lstmctl", "data", "show", "travellers")
    settings = ["training.budget=5 steps", "model.hidden=8", "training.batch=2", "training.window=8", "threads=1"]
    trained = json.loads(run("-m", "lstmctl", "train", *settings, "--json", "--quiet"))
    assert (trained["status"], trained["steps"]) == ("finished", 5)
    assert (work / "runs/travellers-lstm-001/last.safetensors").is_file()
    assert [path.name for path in work.iterdir()] == ["runs"]
