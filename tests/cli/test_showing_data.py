"""`data show` of large alphabets and many labels."""

from __future__ import annotations

import json
from pathlib import Path

from tests.conftest import Command


def test_of_a_large_alphabet_the_commonest_symbols_are_shown(tmp_path: Path, lstmctl: Command) -> None:
    text = "".join(chr(0xAC00 + number) * (40 - number) for number in range(40))
    (tmp_path / "korean.txt").write_text(text * 20, encoding="utf-8")
    lines = lstmctl("data", "show", "data.text=korean.txt").out.splitlines()
    start = lines.index("40 symbols, the commonest 20 (--all shows all)")
    assert [line.split()[0] for line in lines[start + 2 : start + 22]] == [chr(0xAC00 + number) for number in range(20)]
    assert lines[start + 22].startswith("one window")
    every = lstmctl("data", "show", "data.text=korean.txt", "--all").out.splitlines()
    start = every.index("40 symbols")
    assert every[start + 41].split()[0] == chr(0xAC00 + 39)
    facts = json.loads(lstmctl("data", "show", "data.text=korean.txt", "--json").out)
    assert len(facts["symbols"]) == 40


def test_of_many_labels_the_commonest_are_shown(tmp_path: Path, lstmctl: Command) -> None:
    rows = [f"text {row},label{number:02d}" for row in range(90) for number in range(30) if row < 60 + number]
    (tmp_path / "labels.csv").write_text("text,label\n" + "\n".join(rows) + "\n")
    (tmp_path / "labels.yaml").write_text(
        "task: {type: classification}\ndata: {table: labels.csv, text: text, label: label}\n"
    )
    lines = lstmctl("data", "show", "labels.yaml").out.splitlines()
    start = lines.index("30 labels, the commonest 20 (--all shows all)")
    totals = [sum(map(int, line.split()[1:])) for line in lines[start + 2 : start + 22]]
    assert totals == sorted(totals, reverse=True)
    assert "30 labels" in lstmctl("data", "show", "labels.yaml", "--all").out.splitlines()
