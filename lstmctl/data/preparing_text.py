"""Convert text of any size to numbers on disk, with little memory (`data.prepared_text` describes the files).

The text is read twice: for its vocabulary, then for its numbers. During the second reading, the lengths of both files
and their SHA-256 so far are recorded repeatedly, after the numbers are on disk. An interrupted attempt continues from
there: everything written is read once more, for its hash, but nothing is recomputed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from lstmctl.data.encoding import TextEncoding
from lstmctl.data.locating import locate
from lstmctl.data.prepared_folder import (
    HEADER,
    PROGRESS,
    Watch,
    digest_of,
    folder_errors,
    held,
    is_prepared,
    told,
)
from lstmctl.data.prepared_text import NUMBERS, Header, open_prepared, read_header
from lstmctl.data.text import files_of
from lstmctl.data.text_blocks import BLOCK, BlockEncoder, JoinedText, Kind, survey
from lstmctl.errors import DataError
from lstmctl.storage import replace_json, sync

NOTED_EVERY = 1 << 26
"""Bytes of text between two notes of how far it has come."""


@dataclass(frozen=True)
class Prepared:
    """Prepared text on the disk."""

    folder: Path
    header: Header
    was_there: bool
    """True if the data already existed, and nothing was written."""
    resumed: int
    """Bytes of the text that an earlier attempt had done."""

    @property
    def vocabulary(self) -> int:
        """Number of symbols."""
        return len(TextEncoding.from_json(self.header.encoding))


@dataclass(frozen=True)
class Note:
    """Progress of an attempt: the contents of `progress.json`."""

    text: list[list[Any]]
    """Path, bytes and time of change of each file."""
    kind: str
    block: int
    """Bytes read at once: what is noted is a whole number of blocks."""
    length: int
    """Symbols of the text."""
    encoding: dict[str, Any]
    """Its vocabulary, as in a run's `encoding.json`."""
    read: int = 0
    """Bytes of the joined text that are done."""
    written: int = 0
    """Bytes of the numbers made of them."""
    read_sha256: str = hashlib.sha256().hexdigest()
    written_sha256: str = hashlib.sha256().hexdigest()


def prepare_text(
    sources: str | Sequence[str],
    kind: Kind,
    folder: Path | None = None,
    config_folder: Path | None = None,
    *,
    watch: Watch | None = None,
    block: int = BLOCK,
    noted_every: int = NOTED_EVERY,
) -> Prepared:
    """Convert a text to numbers on disk, or continue an interrupted attempt.

    Args:
        sources: names of files or folders, as in `data.text`.
        kind: what a symbol is.
        folder: where to; by default in the current folder, `NAME.prepared` for the text NAME.
        config_folder: where names are looked for first.
        watch: called as the text is read.
        block: bytes of text to have in memory at once.
        noted_every: bytes of text that are done anew, at most, after an attempt that was ended.

    Raises:
        DataError: the text is missing or cannot be used, or the folder holds something else.
        ResourceError: the disk does not take it; what was done stays.
    """
    found = [locate(name, config_folder) for name in ([sources] if isinstance(sources, str) else sources)]
    if prepared := next(filter(is_prepared, found), None):
        raise DataError(f"{prepared} is prepared data already")
    text = JoinedText(files_of(found), kind, block)
    folder = (folder or Path(f"{found[0].stem}.prepared")).absolute()
    if watch is not None:
        watch.total = 2 * text.size
    with held(folder, [NUMBERS]):
        if (folder / HEADER).exists():
            return _present(folder, text)
        note = _noted(folder, text) or _surveyed(folder, text, watch)
        resumed = note.read
        note = _written(folder, text, note, watch, noted_every)
        header = Header(
            files=[str(file) for file in text.files],
            bytes=note.read,
            sha256=note.read_sha256,
            encoding=note.encoding,
            type=BlockEncoder(TextEncoding.from_json(note.encoding)).type.__name__,
            length=note.length,
            numbers_sha256=note.written_sha256,
        )
        with folder_errors(folder):
            replace_json(folder / HEADER, header.to_json())
            (folder / PROGRESS).unlink()
    return Prepared(folder, header, was_there=False, resumed=resumed)


def _surveyed(folder: Path, text: JoinedText, watch: Watch | None) -> Note:
    """The note of an attempt that begins."""
    facts = survey(text, told(watch))
    facts.require(text)
    note = Note(
        text=[list(file) for file in text.identity],
        kind=text.kind,
        block=text.block,
        length=facts.length,
        encoding=facts.encoding(text.kind).to_json(),
    )
    with folder_errors(folder):
        replace_json(folder / PROGRESS, asdict(note))
    return note


def _noted(folder: Path, text: JoinedText) -> Note | None:
    """Return the progress of an earlier attempt at the same text, or None if there is none that can be used."""
    try:
        note = Note(**json.loads((folder / PROGRESS).read_bytes()))
    except (OSError, ValueError, TypeError, RecursionError):
        return None
    same = note.text == [list(file) for file in text.identity] and (note.kind, note.block) == (text.kind, text.block)
    return note if same else None


def _written(folder: Path, text: JoinedText, begun: Note, watch: Watch | None, noted_every: int) -> Note:
    """Write the numbers, from where the note says; the note of all of them.

    A thread hashes and writes a block while the next is read and encoded.

    Raises:
        DataError: what the note is of has changed.
    """
    encode, tell = BlockEncoder(TextEncoding.from_json(begun.encoding)), told(watch)
    path, number = folder / NUMBERS, np.dtype(encode.type).newbyteorder("<")
    with (
        folder_errors(path, begun.length * number.itemsize),
        path.open("r+b" if begun.read else "wb") as file,
        ThreadPoolExecutor(1) as helper,
    ):
        read, noted = 0, begun.read
        read_digest, written_digest = hashlib.sha256(), digest_of(file, begun.written)
        file.truncate(begun.written)

        def put(content: bytes, numbers: memoryview | None) -> None:
            read_digest.update(content)
            if numbers is not None:
                written_digest.update(numbers)
                file.write(numbers)

        def here() -> Note:
            found = {"read_sha256": read_digest.hexdigest(), "written_sha256": written_digest.hexdigest()}
            return replace(begun, read=read, written=file.tell(), **found)

        def check() -> None:
            if here() != begun:
                raise DataError(f"{folder} contains a damaged start of a text", hint="remove it, then prepare again")

        def save() -> None:
            file.flush()
            sync(file.fileno())
            replace_json(folder / PROGRESS, asdict(here()))

        checked, doing = False, helper.submit(put, b"", None)
        for block in text.again(begun.length):
            is_new = read >= begun.read
            numbers = encode(block).astype(number, copy=False).data if is_new else None
            doing.result()
            if is_new and not checked:
                check()
                checked = True
            if read - noted >= noted_every:
                save()
                noted = read
            doing = helper.submit(put, block.content, numbers)
            read += len(block.content)
            tell(len(block.content))
        doing.result()
        if not checked:
            check()
        save()
        return here()


def _present(folder: Path, text: JoinedText) -> Prepared:
    """Return the existing data, if it is complete and belongs to this text.

    Raises:
        DataError: it is not.
    """
    header, _ = read_header(folder)
    digest = hashlib.sha256()
    for block in text.blocks():
        digest.update(block.content)
    if header.sha256 != digest.hexdigest():
        raise DataError(
            f"{folder} contains another text: its SHA-256 is {header.sha256[:16]}…, that of {text} "
            f"is {digest.hexdigest()[:16]}…",
            hint="remove it, or prepare the text elsewhere: --to FOLDER",
        )
    open_prepared(folder, text.kind)
    return Prepared(folder, header, was_there=True, resumed=0)
