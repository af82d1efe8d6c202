"""Hangul syllables as the two or three letters (jamo) that they consist of, and back.

A Korean text has a thousand and more different syllables, most of them rare, but only 67 letters. Both forms are
canonically equivalent (Unicode, section 3.12), so nothing is lost.
"""

from __future__ import annotations

import re
import unicodedata

SYLLABLES = re.compile("[\uac00-\ud7a3]+")
JAMO = re.compile("[\u1100-\u1112\u1161-\u1175\u11a8-\u11c2]+")


def decomposed(text: str) -> str:
    """Return the text with every syllable replaced by its letters."""
    return SYLLABLES.sub(lambda found: unicodedata.normalize("NFD", found[0]), text)


def composed(text: str) -> str:
    """Return the text with letters joined to syllables."""
    return JAMO.sub(lambda found: unicodedata.normalize("NFC", found[0]), text)


def is_initial(symbol: str) -> bool:
    """Return whether a symbol may begin a syllable."""
    return "\u1100" <= symbol <= "\u1112"


def is_vowel(symbol: str) -> bool:
    """Return whether a symbol is the second letter of a syllable."""
    return "\u1161" <= symbol <= "\u1175"


def continues(symbol: str) -> bool:
    """Return whether a symbol is the second or third letter of a syllable."""
    return is_vowel(symbol) or "\u11a8" <= symbol <= "\u11c2"
