"""Symbols to numbers and back, without loss."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lstmctl.data.hangul import composed, decomposed, is_initial, is_vowel
from lstmctl.data.vocabulary import TextEncoding, UnknownSymbolError
from lstmctl.errors import RunError

BYTES = TextEncoding("bytes")


@given(st.text())
def test_decoding_gives_back_what_was_encoded(text: str) -> None:
    encoding = TextEncoding.of(text)
    assert encoding.decode(encoding.encode(text)) == text
    assert "".join(map(encoding.decoder(), encoding.encode(text).tolist())) == text
    assert len(encoding) == len(set(text))
    assert [encoding.symbols[number] for number in encoding.encode(text)] == list(text)


@given(st.text())
def test_bytes_are_those_of_utf8(text: str) -> None:
    numbers = BYTES.encode(text)
    assert bytes(numbers) == text.encode()
    assert BYTES.decode(numbers) == text


@given(st.binary())
def test_streamed_bytes_show_what_the_whole_shows(content: bytes) -> None:
    decode = BYTES.decoder()
    assert "".join(decode(number) for number in content) + decode.end() == content.decode("utf-8", "replace")


@given(st.text(), st.text())
def test_the_first_unknown_symbol_is_named_with_its_position(known: str, text: str) -> None:
    encoding = TextEncoding.of(known)
    position = next((place for place, symbol in enumerate(text) if symbol not in known), None)
    if position is None:
        assert encoding.decode(encoding.encode(text)) == text
        return
    with pytest.raises(UnknownSymbolError) as caught:
        encoding.encode(text)
    assert (caught.value.symbol, caught.value.position) == (text[position], position)
    assert str(caught.value) == f"{text[position]!r} (U+{ord(text[position]):04X}) at position {position}"


def test_a_shown_character_waits_for_its_last_byte() -> None:
    decode = BYTES.decoder()
    assert [decode(number) for number in "a€👩".encode()] == ["a", "", "", "€", "", "", "", "👩"]
    assert decode.end() == ""
    assert decode(0xE2) == ""
    assert decode.end() == "\ufffd"


def test_what_python_could_not_decode_is_its_byte_again() -> None:
    assert bytes(BYTES.encode(b"a\xff".decode("utf-8", "surrogateescape"))) == b"a\xff"
    with pytest.raises(UnknownSymbolError, match=r"'\\ud800' \(U\+D800\) at position 2"):
        BYTES.encode("ab\ud800")


@pytest.mark.parametrize(("count", "itemsize"), [(2, 1), (256, 1), (257, 2), (65_536, 2), (65_537, 4)])
def test_numbers_are_as_narrow_as_they_can_be(count: int, itemsize: int) -> None:
    text = "".join(chr(point) for point in range(0x10000, 0x10000 + count))
    numbers = TextEncoding.of(text).encode(text)
    assert numbers.itemsize == itemsize
    assert np.array_equal(numbers, np.arange(count))


@pytest.mark.parametrize("encoding", [BYTES, TextEncoding.of("hello \n👩e\u0301")])
def test_an_encoding_survives_its_file(encoding: TextEncoding) -> None:
    read = TextEncoding.from_json(json.loads(json.dumps(encoding.to_json())))
    assert read == encoding
    assert hash(read) == hash(encoding)
    assert read != TextEncoding.of("other")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ({"format": 2}, "encoding.json is not a text encoding of format 1"),
        ({"kind": "words"}, "encoding.json is not a text encoding of format 1"),
        ({"symbols": "abc"}, "encoding.json is not a text encoding of format 1"),
        ({"symbols": ["a", "bc"]}, "encoding.json is not a text encoding of format 1"),
        ({"symbols": ["a", 1]}, "encoding.json is not a text encoding of format 1"),
        ({"symbols": ["b", "a"]}, "encoding.json must list its symbols once each, in code point order"),
        ({"symbols": ["a", "a"]}, "encoding.json must list its symbols once each, in code point order"),
        ({"symbols": []}, "encoding.json must list its symbols once each, in code point order"),
    ],
)
def test_a_damaged_encoding_is_refused(damage: dict[str, object], message: str) -> None:
    with pytest.raises(RunError) as caught:
        TextEncoding.from_json({**TextEncoding.of("abc").to_json(), **damage})
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("unknown", "known", "nearest"),
    [
        ("a", "abc", "a"),
        ("é", "abce ", "e"),
        ("É", "abce ", "e"),
        ("Q", "abq ", "q"),
        ("q", "ABQ ", "Q"),
        ("’", "abc' ", "'"),
        ("—", "abc- ", "-"),
        ("𝐱", "xyz", "x"),
        ("漢", "abc ", " "),
        ("漢", "cba", "a"),
        ("ß", "sS", "S"),
    ],
)
def test_the_nearest_known_symbol(unknown: str, known: str, nearest: str) -> None:
    assert TextEncoding.of(known).nearest(unknown) == nearest
    assert BYTES.nearest(unknown) == unknown


def test_symbols_are_named_for_people_and_for_json() -> None:
    encoding = TextEncoding.of("a\n 👩\u2028")
    assert [encoding.name(number) for number in range(5)] == ["\\n", "space", "a", "\\u2028", "👩"]
    assert [encoding.name_of(number) for number in range(5)] == ["\n", " ", "a", "\u2028", "👩"]
    assert [BYTES.name(number) for number in (10, 32, 65, 127, 255)] == ["0x0a", "0x20", "A", "0x7f", "0xff"]
    assert BYTES.name_of(10) == "\\x0a"


KOREAN = "대한민국은 민주공화국이다. 값을 읽고 쓴다!\n"


def test_hangul_is_decomposed_into_letters_and_composed_again() -> None:
    assert decomposed("값 a") == "\u1100\u1161\u11b9 a"
    assert composed(decomposed(KOREAN)) == KOREAN
    assert decomposed("é Å ﬁ") == "é Å ﬁ"  # nothing else is


def test_a_decomposed_vocabulary_has_letters_and_writes_syllables() -> None:
    encoding = TextEncoding("decomposed", "".join(sorted(set(decomposed(KOREAN)))))
    numbers = encoding.encode(KOREAN)
    assert len(numbers) == len(decomposed(KOREAN)) > len(KOREAN)
    assert encoding.decode(numbers) == KOREAN
    assert encoding.begins_character[numbers].sum() == len(KOREAN)
    assert "값" in encoding
    assert "힣" not in encoding
    assert TextEncoding.from_json(encoding.to_json()) == encoding
    with pytest.raises(UnknownSymbolError, match=r"at position 2$"):
        encoding.encode("값 힣")


def test_letters_that_come_one_by_one_show_as_whole_syllables() -> None:
    text = KOREAN + "\u1161\u11a8x\u1100\u1100\u1161"  # letters that form no syllable, too
    encoding = TextEncoding("decomposed", "".join(sorted(set(decomposed(text)))))
    decode = encoding.decoder()
    pieces = [decode(int(number)) for number in encoding.encode(text)]
    assert "".join(pieces) + decode.end() == composed(text)
    assert decode.end() == ""
    for piece in pieces[: len(decomposed(KOREAN))]:
        assert composed(piece) == piece
        assert not any(is_initial(letter) or is_vowel(letter) for letter in piece)


def test_bytes_know_which_of_them_begin_a_character() -> None:
    encoding = TextEncoding("bytes")
    assert encoding.begins_character[encoding.encode("a값中é")].tolist() == [True] + [True, False, False] * 2 + [
        True,
        False,
    ]
