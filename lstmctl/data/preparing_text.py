"""Convert a text of any size to numbers on disk, with little memory (see `data.prepared_text` for the format).

The text is read twice: for its vocabulary, then for its numbers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lstmctl.data.locating import locate
from lstmctl.data.prepared_folder import NumberFiles, Prepared, other_data, prepared, progress_of, refuse_prepared
from lstmctl.data.prepared_text import NUMBERS, Header, open_prepared, read_header
from lstmctl.data.text import files_of
from lstmctl.data.text_blocks import BLOCK, BlockEncoder, JoinedText, survey
from lstmctl.data.vocabulary import Kind

if TYPE_CHECKING:
    from lstmctl.data.downloading import Progress


def prepare_text(
    sources: str | Sequence[str],
    kind: Kind,
    folder: Path | None = None,
    config_folder: Path | None = None,
    *,
    watch: Progress | None = None,
    block: int = BLOCK,
) -> Prepared[Header]:
    """Convert a text to numbers on disk.

    Args:
        sources: names of files or folders, as in `data.text`.
        kind: what a symbol is.
        folder: the destination; by default `NAME.prepared` in the current folder, for the text NAME.
        config_folder: the first folder to look for names in.
        watch: the bytes read.
        block: bytes of text to hold in memory at once.

    Raises:
        DataError: the text is missing or cannot be used, or the folder contains something else.
        ResourceError: the disk is full or cannot be written.
    """
    found = [locate(name, config_folder) for name in ([sources] if isinstance(sources, str) else sources)]
    refuse_prepared(found)
    text = JoinedText(files_of(found), kind, block)
    tell = progress_of(watch, 2 * text.size)
    return prepared(
        folder or Path(f"{found[0].stem}.prepared"),
        [NUMBERS],
        check=lambda folder: _checked(folder, text),
        write=lambda folder: _written(folder, text, tell),
    )


def _written(folder: Path, text: JoinedText, tell: Callable[[int], object]) -> Header:
    facts = survey(text, tell)
    facts.require(text)
    encoding = facts.encoding(text.kind)
    encode, digest = BlockEncoder(encoding), hashlib.sha256()
    number = np.dtype(encode.type).newbyteorder("<")
    with NumberFiles(folder, facts.length * number.itemsize) as files:
        for block in text.again(facts.length):
            files.put({NUMBERS: encode(block).astype(number, copy=False)})
            digest.update(block.content)
            tell(len(block.content))
        hashes = files.finish()
    return Header(
        files=[str(file) for file in text.files],
        bytes=facts.size,
        sha256=digest.hexdigest(),
        encoding=encoding.to_json(),
        type=encode.type.__name__,
        length=facts.length,
        numbers_sha256=hashes[NUMBERS],
    )


def _checked(folder: Path, text: JoinedText) -> Header:
    """Return the header of existing data.

    Raises:
        DataError: the data is damaged, or of another text.
    """
    header, _ = read_header(folder)
    digest = hashlib.sha256()
    for block in text.blocks():
        digest.update(block.content)
    if header.sha256 != digest.hexdigest():
        raise other_data(folder, "text", header.sha256, text, digest.hexdigest())
    open_prepared(folder, text.kind)
    return header
