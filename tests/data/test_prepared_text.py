"""Prepared text: the same corpus as the text itself, whole or refused."""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lstmctl.data.preparing_text import prepare_text
from lstmctl.data.text import TextCorpus, open_text
from lstmctl.errors import DataError, ResourceError
from lstmctl.locks import locked
from tests import processes

SPLIT = (0.5, 0.5)
MIXED = "naïve “quotes” — and 👩\u200d👩, 日本語\r\n"


def write(text: str | bytes, name: str = "a.txt") -> Path:
    path = Path(name)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def long_text(length: int = 20_000) -> str:
    draw = random.Random(4)
    return "".join(draw.choice("abc defgh\näöü“”") for _ in range(length))


def opened(name: str, symbols: Any = "characters") -> TextCorpus:
    return open_text(name, symbols, SPLIT, None)


def contents(folder: str | Path = "a.prepared") -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(Path(folder).iterdir())}


def refused(name: str = "a.prepared", symbols: Any = "characters") -> DataError:
    with pytest.raises(DataError) as caught:
        opened(name, symbols)
    assert caught.value.exit_code == 3
    return caught.value


# The same corpus.


@pytest.mark.parametrize("symbols", ["characters", "bytes"])
@pytest.mark.parametrize(
    "text",
    [
        "plain letters",
        MIXED,
        "".join(map(chr, range(32, 32 + 257))),
        "".join(chr(point) for point in range(32, 80_000) if not 0xD800 <= point < 0xE000)[:66_000],
        "\ufeffwith a mark",
    ],
    ids=["ascii", "mixed", "257 characters", "66000 characters", "mark"],
)
def test_it_is_the_same_corpus(text: str, symbols: Any) -> None:
    write(text)
    prepared = prepare_text("a.txt", symbols, block=1000)
    assert (prepared.folder, prepared.was_there) == (Path("a.prepared").absolute(), False)
    assert sorted(contents()) == ["prepared.json", "symbols.bin"]
    direct, mapped = opened("a.txt", symbols), opened("a.prepared", symbols)
    assert isinstance(mapped.symbols, np.memmap)
    assert not mapped.symbols.flags.writeable
    assert (mapped.symbols.dtype, mapped.symbols.tolist()) == (direct.symbols.dtype, direct.symbols.tolist())
    assert mapped.encoding == direct.encoding
    assert mapped.fingerprint == direct.fingerprint
    assert mapped.parts == direct.parts
    assert mapped.counts().tolist() == np.bincount(direct.symbols, minlength=len(direct.encoding)).tolist()
    assert mapped.names == (str(Path("a.prepared").resolve()),)
    assert (Path("a.prepared") / "symbols.bin").stat().st_size == len(direct) * direct.symbols.itemsize


def test_several_files_are_prepared_as_one() -> None:
    for name, content in {"1.txt": "one", "2.txt": "two\n", "3.txt": "drei"}.items():
        write(content, name)
    prepare_text(["1.txt", "2.txt", "3.txt"], "characters")
    assert Path("1.prepared").is_dir()
    mapped = opened("1.prepared")
    assert mapped.encoding.decode(mapped.symbols) == "one\ntwo\ndrei"
    assert mapped.fingerprint == open_text(["1.txt", "2.txt", "3.txt"], "characters", SPLIT, None).fingerprint


def test_little_of_the_text_is_in_memory() -> None:
    write(long_text(200_000) * 40)
    tracemalloc.start()
    try:
        prepare_text("a.txt", "characters")
        corpus = opened("a.prepared")
        corpus.counts()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(corpus) == 8_000_000
    assert peak < 20_000_000  # most of it a million symbols that are counted at once


# Stopped before its end.


class Stop:
    """Interrupts a preparation after a number of bytes."""

    def __init__(self, at: int) -> None:
        self.total, self.left = 0.0, at

    def update(self, amount: float) -> None:
        self.left -= int(amount)
        if self.left < 0:
            raise KeyboardInterrupt


@pytest.mark.parametrize("share", [0.3, 1.1, 1.99])
def test_an_interrupted_preparation_leaves_nothing(share: float) -> None:
    size = write(long_text()).stat().st_size
    with pytest.raises(KeyboardInterrupt):
        prepare_text("a.txt", "characters", watch=Stop(int(share * size)), block=500)
    assert not Path("a.prepared").exists()


KILLED = """
import os, signal, sys
from lstmctl.data.preparing_text import prepare_text

class Kill:
    total, left = 0.0, int(sys.argv[1])
    def update(self, amount):
        self.left -= int(amount)
        if self.left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

prepare_text("a.txt", "characters", watch=Kill(), block=500)
"""


@pytest.mark.parametrize("share", [0.5, 1.6])
def test_a_killed_preparation_is_not_taken_for_a_finished_one_and_starts_again(share: float) -> None:
    size = write(long_text()).stat().st_size
    prepare_text("a.txt", "characters", Path("whole"))
    killed = processes.run([sys.executable, "-c", KILLED, str(int(share * size))], check=False, timeout=60)
    assert killed.returncode == -signal.SIGKILL
    assert str(refused()) == f"{Path('a.prepared').absolute()} is incomplete: its preparation did not finish"
    assert not prepare_text("a.txt", "characters", block=500).was_there
    assert contents() == contents("whole")


FULL = """
import resource, signal, sys
from lstmctl.data.preparing_text import prepare_text
from lstmctl.errors import ResourceError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
try:
    prepare_text("a.txt", "characters", block=500)
except ResourceError as error:
    print(error, error.hint, sep="|")
"""


def test_a_full_disk_is_named_and_nothing_is_left() -> None:
    write(long_text())
    result = processes.run([sys.executable, "-c", FULL, "9000"], capture_output=True, text=True, check=False)
    assert result.stderr == ""
    message, hint = result.stdout.strip().split("|")
    path = Path("a.prepared/symbols.bin").absolute()
    assert message == f"{path} cannot be written (20,000 bytes needed): File too large"
    assert hint == "free some space, or prepare it elsewhere: --to FOLDER"
    assert not Path("a.prepared").exists()


def test_a_text_that_changes_while_it_is_prepared_is_refused() -> None:
    size = write(long_text()).stat().st_size

    class Change(Stop):
        def update(self, amount: float) -> None:
            self.left -= int(amount)
            if self.left < 0:
                os.utime("a.txt", ns=(1, 1))

    with pytest.raises(DataError, match=r"a\.txt changed while it was read$"):
        prepare_text("a.txt", "characters", watch=Change(size + 5000), block=500)
    assert not Path("a.prepared").exists()


# Existing files and folders.


def test_what_is_there_is_checked_and_kept() -> None:
    write("one text")
    prepare_text("a.txt", "characters")
    before = contents()
    assert prepare_text("a.txt", "characters").was_there
    write("another text")
    with pytest.raises(
        DataError, match=r"a\.prepared contains another text: its SHA-256 is b94ddd8ea66566c0…, that of .*a\.txt is"
    ):
        prepare_text("a.txt", "characters")
    assert contents() == before


def test_a_folder_of_other_things_is_left_alone() -> None:
    write("one text")
    Path("a.prepared").mkdir()
    write("mine", "a.prepared/.notes.tmp-1")
    with pytest.raises(DataError, match=r"a\.prepared exists and contains \.notes\.tmp-1$") as caught:
        prepare_text("a.txt", "characters")
    assert caught.value.hint == "name another folder: --to FOLDER"
    assert list(contents()) == [".notes.tmp-1"]
    write("mine", "file")
    with pytest.raises(ResourceError, match="file cannot be written: File exists"):
        prepare_text("a.txt", "characters", Path("file"))


def test_a_text_that_cannot_be_used_leaves_no_folder() -> None:
    for content, message in ((b"caf\xe9", "line 1, byte offset 3: 0xe9"), (b"", "is empty"), (b"aaa", "one distinct")):
        write(content)
        with pytest.raises(DataError, match=message):
            prepare_text("a.txt", "characters")
        assert not Path("a.prepared").exists()


def test_two_processes_do_not_prepare_into_one_folder() -> None:
    write("one text")
    Path("a.prepared").mkdir()
    with (
        locked(Path("a.prepared")),
        pytest.raises(DataError, match=rf"a\.prepared is in use by process {os.getpid()} on ") as caught,
    ):
        prepare_text("a.txt", "characters")
    assert caught.value.hint == "wait for it, or stop it"
    assert not prepare_text("a.txt", "characters").was_there


def test_prepared_text_is_not_prepared_again_nor_joined() -> None:
    write("one text")
    prepare_text("a.txt", "characters")
    with pytest.raises(DataError, match=r"a\.prepared is prepared data already$"):
        prepare_text("a.prepared", "characters")
    with pytest.raises(DataError, match=r"data\.text contains both prepared and other text$"):
        open_text(["a.prepared", "a.txt"], "characters", SPLIT, None)


# Damage.


@pytest.fixture
def prepared() -> Path:
    write(MIXED * 20)
    return prepare_text("a.txt", "characters").folder


def edit(folder: Path, **values: Any) -> None:
    path = folder / "prepared.json"
    path.write_text(json.dumps(json.loads(path.read_bytes()) | values))


def test_a_wrong_size_is_reported_with_the_right_one(prepared: Path) -> None:
    path, length = prepared / "symbols.bin", len(MIXED) * 20
    content = path.read_bytes()
    expected = f"its header says {length:,}: {length:,} numbers of 1 byte"
    for wrong in (content[:-1], content + b"\0", b""):
        path.write_bytes(wrong)
        assert str(refused()) == f"{path} has {len(wrong):,} bytes; {expected}"
    path.write_bytes(content)
    edit(prepared, length=length - 1)
    assert f"{path} has {length:,} bytes; its header says {length - 1:,}" in str(refused())
    path.unlink()
    assert str(refused()) == f"{path} cannot be read: No such file or directory"


def test_a_number_beyond_the_vocabulary_is_found_before_a_network_meets_it(prepared: Path) -> None:
    path = prepared / "symbols.bin"
    content = bytearray(path.read_bytes())
    content[77] = 200
    path.write_bytes(content)
    assert str(refused()) == (
        f"{path}: number 77, counted from 0, is 200, but the vocabulary of its header has {len(set(MIXED))} symbols"
    )


def test_any_flipped_bit_is_found(prepared: Path) -> None:
    path = prepared / "symbols.bin"
    content = path.read_bytes()
    draw = random.Random(3)
    for _ in range(100):
        damaged = bytearray(content)
        damaged[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
        path.write_bytes(damaged)
        assert "is not as it was prepared" in (told := str(refused())) or "counted from 0" in told
    path.write_bytes(content)
    opened("a.prepared")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"format": 2}, r"is not a header of format 1, but of 2$"),
        ({"length": "10"}, r"is damaged at `length`: Input should be a valid integer$"),
        ({"length": True}, r"is damaged at `length`: Input should be a valid integer$"),
        ({"length": -1}, r"its header says -1"),
        ({"sha256": None}, r"is damaged at `sha256`: Input should be a valid string$"),
        ({"encoding": []}, r"is damaged at `encoding`: Input should be an object$"),
        ({"encoding": {"format": 1, "kind": "characters", "symbols": ["b", "a"]}}, r": encoding must list its symbols"),
        ({"type": "uint16"}, r": type is uint16, which is not that of \d\d symbols$"),
        ({"encoding": {"format": 1, "kind": "bytes"}}, r"was prepared as bytes, not characters$"),
        (
            {"numbers_sha256": "0" * 64},
            r"is not as it was prepared: its SHA-256 is .*…, in its header 0000000000000000…$",
        ),
    ],
)
def test_a_header_that_was_edited_is_refused(values: dict[str, Any], message: str, prepared: Path) -> None:
    edit(prepared, **values)
    error = refused()
    assert error.args
    with pytest.raises(DataError, match=message):
        raise error


def test_a_header_cut_anywhere_is_refused(prepared: Path) -> None:
    path = prepared / "prepared.json"
    content = path.read_bytes()
    for stop in range(0, len(content) - 2, 7):
        path.write_bytes(content[:stop])
        assert "prepared.json" in str(refused())
    for other in (b"[]", b"null", b"[" * 100_000, b"1" * 10_000, b'{"format": 1}', b"\xff"):
        path.write_bytes(other)
        assert "prepared.json" in str(refused())


def test_other_symbols_than_asked_for_are_refused(prepared: Path) -> None:
    error = refused(symbols="bytes")
    assert (str(error), error.hint) == (f"{prepared} was prepared as characters, not bytes", "data.symbols=characters")
    write("abc" + MIXED, "b.txt")
    known = opened("b.txt").encoding
    with pytest.raises(DataError, match="another vocabulary than the run's: it lacks 'b'") as caught:
        open_text("a.prepared", "characters", None, None, encoding=known)
    assert caught.value.hint == "use the text itself"
    again = open_text("a.prepared", "characters", None, None, encoding=opened("a.txt").encoding)
    assert again.parts == {"validation": (0, len(again))}
