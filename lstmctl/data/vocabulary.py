"""The vocabulary: text as an array of small integers, and back. `text_blocks.survey` collects it from a large text."""

from __future__ import annotations

import codecs
import unicodedata
from collections.abc import Mapping
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from lstmctl.data.hangul import composed, continues, decomposed, is_initial, is_vowel
from lstmctl.errors import RunError

PUNCTUATION = {"‘": "'", "’": "'", "“": '"', "”": '"', "–": "-", "—": "-", "…": "."}
Symbols = NDArray[np.unsignedinteger[Any]]
Kind = Literal["characters", "decomposed", "bytes"]
"""The kind of symbol: a Unicode character; a character or, of a Hangul syllable, a letter; or a byte of UTF-8."""


class UnknownSymbolError(ValueError):
    """A text contains a symbol without a number in the encoding."""

    def __init__(self, symbol: str, position: int) -> None:
        super().__init__(f"{symbol!r} (U+{ord(symbol):04X}) at position {position}")
        self.symbol, self.position = symbol, position


UNKNOWN = "\ufffd"
"""The character that stands for an unknown symbol in decoded text."""


class TextEncoding:
    """A vocabulary: Unicode characters in code point order, Hangul letters among them instead of syllables if it is
    decomposed; or the 256 bytes.

    Args:
        kind: the unit of a symbol.
        symbols: the distinct symbols in order; empty for bytes.
        has_unknown: whether a further number stands for every other character.
    """

    def __init__(self, kind: Kind, symbols: str = "", *, has_unknown: bool = False) -> None:
        self.kind, self.symbols, self.has_unknown = kind, symbols, has_unknown
        self._numbers = {symbol: number for number, symbol in enumerate(symbols)}
        self._code_points = np.array([ord(symbol) for symbol in symbols], dtype=np.uint32)
        self._decoded = np.append(self._code_points, np.uint32(ord(UNKNOWN)))

    @classmethod
    def of(cls, text: str, *, has_unknown: bool = False) -> TextEncoding:
        """Return the vocabulary of all characters that occur in `text`."""
        symbols = "".join(chr(point) for point in np.unique(_code_points(text)))
        return cls("characters", symbols, has_unknown=has_unknown)

    def __len__(self) -> int:
        return 256 if self.kind == "bytes" else len(self.symbols) + self.has_unknown

    @property
    def unknown(self) -> int:
        """The number that `read` gives to characters outside the vocabulary."""
        return len(self.symbols)

    def __contains__(self, symbol: str) -> bool:
        if self.kind == "decomposed":
            return all(part in self._numbers for part in decomposed(symbol))
        return self.kind == "bytes" or symbol in self._numbers

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TextEncoding) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    @property
    def _key(self) -> tuple[str, str, bool]:
        return self.kind, self.symbols, self.has_unknown

    def encode(self, text: str) -> Symbols:
        """Return the numbers of a text's symbols. For bytes, surrogates of undecodable bytes (U+DC80 … U+DCFF) become
        these bytes again.

        Raises:
            UnknownSymbolError: naming the first symbol without a number, and its position counted from 0.
        """
        if self.kind == "bytes":
            try:
                return np.frombuffer(text.encode("utf-8", "surrogateescape"), dtype=np.uint8)
            except UnicodeEncodeError as error:  # half of a character
                raise UnknownSymbolError(text[error.start], error.start) from error
        numbers = self.read(text)
        unknown = np.flatnonzero(numbers == self.unknown)
        if len(unknown):
            parts = decomposed(text) if self.kind == "decomposed" else text
            first = int(unknown[0])
            begun = first if parts is text else sum(not continues(symbol) for symbol in parts[1 : first + 1])
            raise UnknownSymbolError(parts[first], begun)
        return numbers.astype(smallest_integer(len(self)), copy=False)

    def read(self, text: str) -> Symbols:
        """Return the numbers of a text's symbols, with `unknown` for those outside the vocabulary."""
        if self.kind == "bytes":
            return self.encode(text)
        points = _code_points(decomposed(text) if self.kind == "decomposed" else text)
        numbers = np.searchsorted(self._code_points, points)
        known = numbers < len(self._code_points)
        known[known] = self._code_points[numbers[known]] == points[known]
        numbers[~known] = self.unknown
        return numbers.astype(smallest_integer(len(self.symbols) + 1))

    def decode(self, numbers: Symbols) -> str:
        """Return the text of an array of numbers; bytes that are not UTF-8 become U+FFFD."""
        if self.kind == "bytes":
            return numbers.astype(np.uint8).tobytes().decode("utf-8", "replace")
        text = self._decoded[numbers].astype("<u4").tobytes().decode("utf-32-le")
        return composed(text) if self.kind == "decomposed" else text

    @property
    def begins_character(self) -> NDArray[np.bool_]:
        """(vocabulary,) True for symbols that begin a character; the others continue one."""
        if self.kind == "bytes":
            return np.array([byte & 0xC0 != 0x80 for byte in range(256)], dtype=np.bool_)
        begins = [self.kind == "characters" or not continues(symbol) for symbol in self.symbols]
        return np.array([*begins, *[True] * self.has_unknown], dtype=np.bool_)

    def difference(self, other: TextEncoding) -> str:
        """Describe how this vocabulary differs from another."""
        if self.kind != other.kind:
            return f"{self.kind}, not {other.kind}"
        lacking = [symbol for symbol in other.symbols if symbol not in self]
        surplus = [symbol for symbol in self.symbols if symbol not in other]
        sides = [("lacks", lacking), ("also has", surplus)]
        if not lacking and not surplus:
            return f"with{'out' * other.has_unknown} a number for unknown symbols"
        return "; ".join(f"it {verb} {', '.join(map(repr, found[:5]))}" for verb, found in sides if found)

    def nearest(self, symbol: str) -> str:
        """Return the known symbol nearest to `symbol`: itself, without accents, in the other case, a space, or the
        first one. For bytes, every symbol is known."""
        if symbol in self:
            return symbol
        plain = unicodedata.normalize("NFKD", PUNCTUATION.get(symbol, symbol))[:1]
        variants = (plain, plain.swapcase(), " ", self.symbols[0])
        return next(variant for variant in variants if variant and variant in self)

    @property
    def row_names(self) -> list[str]:
        """A name for each number, equal in two vocabularies where it stands for the same symbol."""
        known = len(self) - self.has_unknown
        return [*map(self.name_of, range(known)), *[""] * self.has_unknown]

    def decoder(self) -> StreamDecoder:
        """Return a decoder for numbers that arrive one by one."""
        return StreamDecoder(self)

    def name_of(self, number: int) -> str:
        """Return a symbol for JSON: the character itself, or for bytes its escape (`\\x0a`)."""
        return f"\\x{number:02x}" if self.kind == "bytes" else (self.symbols + UNKNOWN)[number]

    def name(self, number: int) -> str:
        """Return a symbol for display in a table: itself, or its escape."""
        if self.kind == "bytes":
            return f"0x{number:02x}" if not 32 < number < 127 else chr(number)
        if number == self.unknown:
            return "unknown"
        symbol = self.symbols[number]
        return symbol if symbol.isprintable() and not symbol.isspace() else ascii(symbol)[1:-1].replace(" ", "space")

    def to_json(self) -> dict[str, Any]:
        """Return the content of `encoding.json`."""
        symbols = {} if self.kind == "bytes" else {"symbols": list(self.symbols)}
        return {"format": 1, "kind": self.kind, **symbols, **({"unknown": True} if self.has_unknown else {})}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> TextEncoding:
        """Restore an encoding from `to_json`.

        Raises:
            RunError: the content is damaged.
        """
        symbols = data.get("symbols", [])
        sound = isinstance(symbols, list) and all(isinstance(symbol, str) and len(symbol) == 1 for symbol in symbols)
        sound = sound and data.get("unknown") in (None, True)
        if data.get("format") != 1 or data.get("kind") not in get_args(Kind) or not sound:
            raise RunError("encoding.json is not a text encoding of format 1")
        if sorted(set(symbols)) != symbols or (data["kind"] != "bytes" and not symbols):
            raise RunError("encoding.json must list its symbols once each, in code point order")
        return cls(data["kind"], "".join(symbols), has_unknown="unknown" in data)


class StreamDecoder:
    """Decodes numbers one by one; a character of several symbols appears after its last one."""

    def __init__(self, encoding: TextEncoding) -> None:
        self._encoding = encoding
        self._bytes = codecs.getincrementaldecoder("utf-8")("replace")
        self._syllable = ""
        """Letters of a syllable that the next symbol may continue."""

    def __call__(self, number: int) -> str:
        if self._encoding.kind == "bytes":
            return self._bytes.decode(bytes([number]))
        symbol = self._encoding.symbols[number]
        if self._encoding.kind == "characters":
            return symbol
        before = self._syllable
        if is_initial(symbol):
            self._syllable = symbol
            return composed(before)
        may_go_on = is_vowel(symbol) and len(before) == 1
        self._syllable = before + symbol if may_go_on else ""
        return "" if may_go_on else composed(before + symbol)

    def end(self) -> str:
        """Return the rest at the end of the input; an incomplete character of bytes becomes U+FFFD."""
        syllable, self._syllable = self._syllable, ""
        return self._bytes.decode(b"", final=True) + composed(syllable)


def smallest_integer(count: int) -> type[np.unsignedinteger[Any]]:
    """Return the smallest unsigned integer type that holds 0 … count − 1."""
    return np.uint8 if count <= 2**8 else np.uint16 if count <= 2**16 else np.uint32


def _code_points(text: str) -> NDArray[np.uint32]:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4").astype(np.uint32, copy=False)
