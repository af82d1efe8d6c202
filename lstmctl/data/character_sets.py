"""Guess the encoding of a text that is not UTF-8, for the hint that converts it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path

from lstmctl import shell

LOOKED_AT = 1 << 16
"""Bytes to examine around the first invalid one."""
LIKELY = 0.9
"""Minimum share of the letters beyond ASCII that must be usual ones of a language."""
COMMON = {  # encodings of two bytes: ranges of the pairs of their common characters and punctuation
    "gb18030": ((0xA1A1, 0xA3FE), (0xB0A1, 0xD7F9)),
    "big5": ((0xA140, 0xA3BF), (0xA440, 0xC67E)),
    "euc-jp": ((0xA1A1, 0xA5F6), (0xB0A1, 0xCFD3)),
    "euc-kr": ((0xA1A1, 0xA3FE), (0xB0A1, 0xC8FE)),
    "shift_jis": ((0x8140, 0x8396), (0x889F, 0x9872)),
}
FREQUENT = frozenset("이다는에고의가을를하은지기도로사어서한리나인아자")
"""Frequent Korean syllables; their pairs of bytes are characters of Chinese too, but rare ones."""
KANA = ((0x3041, 0x30FF),)
CYRILLIC = ("windows-1251", "koi8-r")
CYRILLIC_SIGNS = frozenset("«»“”„–—…№©\xa0")
LATIN = {
    "windows-1252": {
        "French": "àâæçèéêëîïôœùûüÿ",
        "German": "äöüßé",
        "Spanish": "áéíñóúü",
        "Portuguese": "àáâãçéêíóôõúü",
        "Italian": "àèéìíîòóùú",
        "Scandinavian": "æøåäöéü",
        "Icelandic": "áðéíóúýþæö",
        "Dutch": "áèéêëïíóöü",
        "English": "èéêïñ",
    },
    "windows-1250": {
        "Hungarian": "áéíóöőúüű",
        "Polish": "ąćęłńóśźż",
        "Czech": "áčďéěíňóřšťúůýž",
        "Slovak": "áäčďéíĺľňóôŕšťúýž",
        "Romanian": "ăâîşţ",
        "Croatian": "čćđšž",
    },
}
"""Encodings of Latin letters, with the letters beyond ASCII of languages."""
SIGNS = frozenset("“”‘’„‚«»–—…€£§°©®™·•×±¿¡ºª²³½¼µ¢¥\xa0")
INSIDE = frozenset("’‘·")
"""Signs between letters."""


def utf_16_of(start: bytes) -> str | None:
    """Return `utf-16le` or `utf-16be` for UTF-16 without a byte order mark; else None.

    In most alphabets every second byte is then a control character, and in any text with spaces, digits or line breaks
    some are zero; text in other encodings has none of these. `start` are the first bytes of a file.
    """
    if len(start) < 16:
        return None
    for name, high, low in (("utf-16le", start[1::2], start[0::2]), ("utf-16be", start[0::2], start[1::2])):
        if 0 in low:
            continue
        is_alphabet = _controls(high) > 0.6 * len(high) and _controls(low) < 0.4 * len(low)
        is_other = high.count(0) > 1 and max(start) >= 0x80 and _decoded(start[: len(start) // 2 * 2], name) is not None
        if is_alphabet or is_other:
            return name
    return None


def _controls(content: bytes) -> int:
    return sum(byte < 0x20 and byte not in b"\t\n\r" for byte in content)


def encoding_of(content: bytes) -> str | None:
    """Return the probable encoding of bytes, as named by iconv and Python; None if it is unclear. The last character
    may be cut off."""
    found = {name: _share_of_common(content, name) for name in COMMON}
    if found["euc-kr"] >= LIKELY and _share(_beyond(_decoded(content, "euc-kr")), FREQUENT) > 0.1:
        return "euc-kr"
    found["euc-kr"] = 0
    best = max(found, key=lambda name: found[name])
    if found[best] >= LIKELY:
        return best
    for name in CYRILLIC:
        if _looks_cyrillic(content, name):
            return name
    return _latin(content)


def conversion(file: Path, place: int) -> str:
    """Return the hint that converts a text file to UTF-8; `place` is the position of its first invalid byte."""
    begin = max(0, place - LOOKED_AT // 2)
    try:
        with file.open("rb") as stream:
            stream.seek(begin)
            content = stream.read(LOOKED_AT)
    except OSError:  # it was read before
        content = b""
    if begin:  # a cut character may look like another encoding
        content = content[content.find(b"\n", 0, place - begin) + 1 :]
    name = encoding_of(content)
    if name is None:
        return "convert it to UTF-8 from the encoding it was written in"
    return f"it seems to be {name}: {convert_command(file, name)}"


def convert_command(file: Path, name: str) -> str:
    """Return the command that writes a text file in UTF-8, next to the original."""
    target = file.with_name(f"{file.stem}-utf8{file.suffix}")
    return f"{shell.join(['iconv', '-f', name, '-t', 'utf-8', str(file)])} > {shell.join([str(target)])}"


def _decoded(content: bytes, name: str) -> str | None:
    """Decode a text, without a character that is cut off at the end; None if it is not in this encoding."""
    for end in (len(content), len(content) - 1):
        try:
            return content[:end].decode(name)
        except UnicodeDecodeError:
            continue
    return None


def _beyond(text: str | None) -> list[str]:
    """Return the characters beyond ASCII."""
    return [character for character in text or "" if not character.isascii()]


def _pairs(text: str, name: str) -> Iterator[int]:
    for character in text:
        if not character.isascii():
            raw = character.encode(name)
            yield int.from_bytes(raw, "big") if len(raw) == 2 else 0


def _share_of_common(content: bytes, name: str) -> float:
    """Return the share of characters beyond ASCII that are common in the encoding's language."""
    text = _decoded(content, name)
    if text is None:
        return 0.0
    pairs = list(_pairs(text, name))
    usual = sum(any(low <= pair <= high for low, high in COMMON[name]) for pair in pairs)
    share = usual / max(1, len(pairs))
    if name in ("euc-jp", "shift_jis"):  # Japanese is not written without kana; Chinese in these bytes has none
        kana = sum(low <= ord(character) <= high for character in text for low, high in KANA)
        return share + 0.02 if 5 * kana >= len(pairs) else 0.0
    # Letters of Western words are isolated: they seldom make a pair of two bytes in a row.
    return share if _in_a_row(content) else 0.0


def _in_a_row(content: bytes) -> bool:
    """Return whether most bytes beyond ASCII are next to another."""
    high = [byte >= 0x80 for byte in content]
    beside = sum(
        here and (before or after)
        for before, here, after in zip([False, *high], high, [*high[1:], False], strict=False)
    )
    return 2 * beside > sum(high)


def _looks_cyrillic(content: bytes, name: str) -> bool:
    """Return whether most characters are lower-case Cyrillic letters: in the wrong one of the two encodings, they are
    upper-case."""
    text = _decoded(content, name)
    if text is None or not _in_a_row(content):
        return False
    beyond = [character for character in _beyond(text) if character not in CYRILLIC_SIGNS]
    cyrillic = [character for character in beyond if unicodedata.name(character, "").startswith("CYRILLIC")]
    small = sum(character.islower() for character in cyrillic)
    mixed = len(re.findall(r"[A-Za-z][^\W\d_A-Za-z]|[^\W\d_A-Za-z][A-Za-z]", text))  # as in Western words
    whole = len(cyrillic) >= LIKELY * max(1, len(beyond)) and 10 * mixed < len(beyond)
    return whole and 2 * small > len(cyrillic)


def _latin(content: bytes) -> str | None:
    """Return the encoding in which most characters beyond ASCII are letters of one language, or else of several."""
    by_one, by_all = dict[str, float](), dict[str, float]()
    for name, languages in LATIN.items():
        text = _decoded(content, name)
        if text is None:
            continue
        beyond = [
            character.lower()
            for place, character in enumerate(text)
            if not character.isascii() and not (character in SIGNS and not _is_inside(text, place))
        ]
        by_one[name] = max(_share(beyond, frozenset(letters)) for letters in languages.values())
        by_all[name] = _share(beyond, frozenset("".join(languages.values())))
    shares = by_one if max(by_one.values(), default=0) >= LIKELY else by_all
    best = max(shares, key=lambda name: shares[name], default=None)
    return best if best is not None and shares[best] >= LIKELY else None


def _is_inside(text: str, place: int) -> bool:
    """Return whether a sign is between two letters, where few signs are: it is then a letter of another encoding."""
    return text[place] not in INSIDE and text[place - 1 : place].isalpha() and text[place + 1 : place + 2].isalpha()


def _share(characters: Sequence[str], usual: frozenset[str]) -> float:
    """Return the share of usual characters; 1 if there is none."""
    return sum(character in usual for character in characters) / len(characters) if characters else 1.0
