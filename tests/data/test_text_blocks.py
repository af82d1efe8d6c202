"""Text read a block at a time: the same text and the same errors, wherever a block ends."""

from __future__ import annotations

import os
import random
from pathlib import Path

import numpy as np
import pytest

from lstmctl.data.text_blocks import BlockEncoder, JoinedText, survey
from lstmctl.data.utf8 import check_utf8
from lstmctl.data.vocabulary import TextEncoding
from lstmctl.errors import DataError

BLOCKS = (1, 2, 3, 5, 16, 1 << 18)
TEXTS = [
    "plain letters\nof ASCII\n",
    "ä",
    "naïve “quotes” — and 👩\u200d👩, 日本語\r\n",
    "".join(chr(point) for point in range(0x20, 0x3000, 7)),
    "\U0010ffff\ue000\ufffd\x7f\x80\u07ff\u0800\uffff\U00010000",
]


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("text", TEXTS)
def test_no_block_cuts_a_character(text: str, block: int) -> None:
    Path("a.txt").write_bytes(text.encode())
    joined = JoinedText([Path("a.txt")], "characters", block)
    blocks = list(joined.blocks())
    assert b"".join(one.content for one in blocks).decode() == text
    assert sum(map(len, blocks)) == len(text)
    facts = survey(joined)
    assert (facts.size, facts.length) == (len(text.encode()), len(text))
    encoding = facts.encoding("characters")
    assert encoding == TextEncoding.of(text)
    encode = BlockEncoder(encoding)
    assert np.concatenate([encode(one) for one in blocks]).tolist() == encoding.encode(text).tolist()
    assert encode(blocks[0]).dtype == encoding.encode(text).dtype


@pytest.mark.parametrize("block", BLOCKS)
def test_files_are_joined_wherever_blocks_end(block: int) -> None:
    contents = [b"one", b"two\n", b"", b"four\r", b"\xef\xbb\xbff\xc3\xbcnf", b"\xef\xbb\xbf", b"\xc3\xa4"]
    files = [Path(f"{number}.txt") for number in range(len(contents))]
    for file, content in zip(files, contents, strict=True):
        file.write_bytes(content)
    for kind, expected in (
        ("characters", "one\ntwo\nfour\rfünf\nä".encode()),
        ("bytes", b"one\ntwo\nfour\r\xef\xbb\xbff\xc3\xbcnf\n\xef\xbb\xbf\n\xc3\xa4"),
    ):
        joined = JoinedText(files, kind, block)  # type: ignore[arg-type]
        assert b"".join(one.content for one in joined.blocks()) == expected
        assert survey(joined).size == len(expected)


def refusals(content: bytes, block: int) -> tuple[str, str]:
    """Facts about a file read in blocks, and about its content as a whole."""
    path = Path("a.txt")
    path.write_bytes(content)
    with pytest.raises(DataError) as in_blocks:
        list(JoinedText([path], "characters", block).blocks())
    with pytest.raises(DataError) as whole:
        check_utf8(content, path)
    assert in_blocks.value.hint == whole.value.hint
    return str(in_blocks.value), str(whole.value)


@pytest.mark.parametrize("block", BLOCKS)
def test_what_is_wrong_is_found_at_the_same_place(block: int) -> None:
    draw = random.Random(8)
    text = "äöü\n日本\n👩 plain\n".encode() * 3
    for wrong in (b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xe2\x82", b"\x80", b"\xf0\x9f\x91", b"\xc0\xaf"):
        place = draw.randrange(len(text))
        in_blocks, whole = refusals(text[:place] + wrong + b"\n" + text[place:], block)
        assert in_blocks == whole
        in_blocks, whole = refusals(text + wrong, block)
        assert in_blocks == whole
        assert "line 10" in whole
    for content in ("hello there, you".encode("utf-16"), "hello there, you".encode("utf-16-be"), b"\x1f\x8b\x08\xff"):
        in_blocks, whole = refusals(content, block)
        assert in_blocks == whole
        assert "not UTF-8 text" in whole
    assert refusals(b"\xef\xbb\xbfab\n\xc3(", block)[0] == "a.txt: line 2, byte offset 6: 0xc3 is not UTF-8"


@pytest.mark.parametrize("change", ["longer", "shorter", "touched"])
def test_a_text_that_changes_between_two_readings_is_refused(change: str) -> None:
    path = Path("a.txt")
    path.write_text("abc" * 10)
    joined = JoinedText([path], "characters", 4)
    length = survey(joined).length
    path.write_text({"longer": "abc" * 11, "shorter": "abc" * 9, "touched": "abd" * 10}[change])
    os.utime(path, ns=(1, 1))
    with pytest.raises(DataError, match=r"a\.txt changed while it was read$"):
        list(joined.again(length))
