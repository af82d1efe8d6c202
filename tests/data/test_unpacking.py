"""Known downloads that are archives, or tables with a series in each row."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from pathlib import Path

import pytest

from lstmctl.data.downloading import find_source
from lstmctl.data.sources import KNOWN, Source
from lstmctl.data.unpacking import unpack
from lstmctl.errors import DataError, UsageError
from tests.conftest import Command


def archive(folder: Path, name: str, files: dict[str, bytes]) -> Path:
    path = folder / name
    if name.endswith(".zip"):
        with zipfile.ZipFile(path, "w") as packed:
            for file, content in files.items():
                packed.writestr(file, content)
    else:
        with tarfile.open(path, "w:gz") as tar:
            for file, content in files.items():
                facts = tarfile.TarInfo(file)
                facts.size = len(content)
                tar.addfile(facts, io.BytesIO(content))
    return path


def test_an_archive_becomes_one_file_of_its_members_in_order(tmp_path: Path) -> None:
    packed = archive(tmp_path, "a.tgz", {"./s/data/z.txt": b"last\n", "./s/data/a.txt": b"first\n", "./other": b"x"})
    source = Source("a.tgz", "http://x/a.tgz", None, unpacked="a.txt", members=("*/data/a.txt", "*/data/z.txt"))
    made = unpack(source, packed)
    assert made.read_bytes() == b"first\nlast\n"
    made.write_bytes(b"kept")
    assert unpack(source, packed).read_bytes() == b"kept"  # made once


def test_an_archive_of_recordings_becomes_a_folder(tmp_path: Path) -> None:
    packed = archive(
        tmp_path, "r.zip", {"r-1/recordings/0_a_1.wav": b"one", "r-1/../../evil.wav": b"no", "r-1/x.md": b""}
    )
    made = unpack(Source("r.zip", "http://x/r.zip", None, unpacked="digits", members=("*/recordings/*.wav",)), packed)
    assert {file.name: file.read_bytes() for file in made.iterdir()} == {"0_a_1.wav": b"one"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["digits", "r.zip"]


def test_a_table_with_a_series_in_each_row_becomes_one_with_a_row_for_each_value(tmp_path: Path) -> None:
    (tmp_path / "wide.csv").write_text('"V1","V2","V3"\n"H1","5","6.5"\n"H2","7",\n')
    made = unpack(Source("wide.csv", "http://x/wide.csv", None, unpacked="long.csv"), tmp_path / "wide.csv")
    assert made.read_text() == "unique_id,ds,y\nH1,1,5\nH1,2,6.5\nH2,1,7\n"


def test_what_cannot_be_unpacked_is_told_and_nothing_is_left(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"not an archive")
    source = Source("a.zip", "http://x/a.zip", None, unpacked="a.txt", members=("a",))
    with pytest.raises(DataError, match=r"a\.zip cannot be unpacked"):
        unpack(source, tmp_path / "a.zip")
    archive(tmp_path, "a.zip", {"b": b"other"})
    with pytest.raises(DataError, match=r"a\.zip does not contain a"):
        unpack(source, tmp_path / "a.zip")
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]


def test_every_known_source_has_a_licence_and_those_without_a_hash_say_so(lstmctl: Command) -> None:
    assert all(source.licence for source in KNOWN.values())
    listed = {entry["name"]: entry for entry in json.loads(lstmctl("data", "list", "--json").out)["data"]}
    assert listed["ETTh1"]["sha256"] == KNOWN["ETTh1"].sha256
    assert listed["enwik8"]["sha256"] is None
    lines = [line for line in lstmctl("data", "list").out.splitlines() if "enwik8" in line]
    assert lines[0].split()[:3] == ["enwik8", "unknown", "download"]
    assert lines[0].rstrip().endswith("unknown")


def test_a_hash_may_be_given_for_a_known_source_without_one() -> None:
    assert find_source("enwik8", "0" * 64).sha256 == "0" * 64
    with pytest.raises(UsageError, match="whose SHA-256 is"):
        find_source("ETTh1", "0" * 64)
