"""Resolution of plain YAML scalars, and writing of values so that they resolve to themselves.

The rules follow the core schema of YAML 1.2. PyYAML follows YAML 1.1, where `1e-3` is text, `no` is false and `12:30`
is 750: three ways to train with other values than those in the file.
"""

from __future__ import annotations

import re

Scalar = None | bool | int | float | str

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE = frozenset({"true", "True", "TRUE"})
_FALSE = frozenset({"false", "False", "FALSE"})
_DECIMAL = re.compile(r"[-+]?[0-9]+")
_OCTAL = re.compile(r"0o[0-7]+")
_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_INFINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)")
_NOT_A_NUMBER = frozenset({".nan", ".NaN", ".NAN"})

# Beyond this, Python itself refuses to convert digits to an integer; no setting needs a tenth of it.
_MOST_DIGITS = 400

# Text that reads the same with and without quotes in any context, including flow lists and mappings.
_UNQUOTED = re.compile(r"[A-Za-z0-9_./\\~+-](?:[A-Za-z0-9_./\\~+ -]*[A-Za-z0-9_./\\~+-])?(?::[A-Za-z0-9_.]+)?")
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
_PRINTABLE = re.compile("[\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")


def resolve(text: str) -> Scalar:
    """Return the value of the plain scalar `text`.

    Raises:
        ValueError: an integer has more than 400 digits.
    """
    if text in _NULL:
        return None
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    for pattern, base in ((_DECIMAL, 10), (_OCTAL, 8), (_HEXADECIMAL, 16)):
        if pattern.fullmatch(text):
            if len(text) > _MOST_DIGITS:
                raise ValueError(f"a number of {len(text)} digits; at most {_MOST_DIGITS} are allowed")
            return int(text if base == 10 else text[2:], base)
    if _FLOAT.fullmatch(text):
        return float(text)
    if _INFINITE.fullmatch(text):
        return float(text.replace(".", ""))
    if text in _NOT_A_NUMBER:
        return float("nan")
    return text


def write(value: Scalar) -> str:
    """Write `value` as one YAML scalar that `resolve` and the reader turn back into it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return repr(value) if value - value == 0 else {"inf": ".inf", "-inf": "-.inf"}.get(repr(value), ".nan")
    if _UNQUOTED.fullmatch(value) and not value.startswith(("-", "~", "...")) and _is_text(value):
        return value
    return '"' + "".join(_escape(character) for character in value) + '"'


def _is_text(value: str) -> bool:
    try:
        return isinstance(resolve(value), str)
    except ValueError:
        return False


def _escape(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if _PRINTABLE.fullmatch(character):
        return character
    return f"\\u{ord(character):04X}"
