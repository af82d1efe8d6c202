"""Command lines, quoted for this system's shell."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Sequence

WORD = re.compile(r"[A-Za-z_][\w./-]*")
NOT_TEXT = ("null", "true", "false")
"""Words that are not text in YAML."""
PLAIN = re.compile(r"[\w@+=:./\\-]+", re.ASCII)
"""Words without special meaning in `cmd` and PowerShell."""


def join(words: Sequence[str]) -> str:
    """Join words into a command line: for a POSIX shell, or on Windows with double quotes."""
    if os.name != "nt":
        return shlex.join(words)
    return " ".join(word if PLAIN.fullmatch(word) else _double_quoted(word) for word in words)


def setting(key: str, value: str | Sequence[str]) -> str:
    """Format a `KEY=VALUE` for the command line; the value is a text or a list of texts, quoted for YAML and the
    shell."""
    shown = _yaml(value) if isinstance(value, str) else f"[{', '.join(map(_yaml, value))}]"
    return join([f"{key}={shown}"])


def _yaml(text: str) -> str:
    """Write text as YAML, in quotes if it could be read as something else."""
    return text if WORD.fullmatch(text) and text.lower() not in NOT_TEXT else json.dumps(text, ensure_ascii=False)


def split(text: str) -> list[str]:
    """Split a text into words; quotes group words. On Windows, a backslash is part of a path.

    Raises:
        ValueError: a quotation mark is not closed.
    """
    lexer = shlex.shlex(text, posix=True, punctuation_chars=False)
    lexer.whitespace_split, lexer.commenters = True, ""
    if os.name == "nt":
        lexer.escape = ""
    return list(lexer)


def _double_quoted(word: str) -> str:
    """Quote for Microsoft's C runtime: backslashes are special, and doubled, only before a quotation mark."""
    inner = re.sub(r'(\\*)("|\Z)', lambda match: match[1] * 2 + ('\\"' if match[2] else ""), word)
    return f'"{inner}"'
