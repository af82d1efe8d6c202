"""Commands as a person types them, quoted the way this system's shell reads them."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Sequence

WORD = re.compile(r"[A-Za-z_][\w./-]*")
NOT_TEXT = ("null", "true", "false")
"""Words that are no text in YAML."""
PLAIN = re.compile(r"[\w@+=:./\\-]+", re.ASCII)
"""Words that neither `cmd` nor PowerShell reads in a way of its own."""


def join(words: Sequence[str]) -> str:
    """A command line of these words: for a POSIX shell, or on Windows with double quotes."""
    if os.name != "nt":
        return shlex.join(words)
    return " ".join(word if PLAIN.fullmatch(word) else _double_quoted(word) for word in words)


def setting(key: str, value: str | Sequence[str]) -> str:
    """A `KEY=VALUE` of text, or of a list of texts, as a person types it: quoted for YAML and for the shell."""
    shown = _yaml(value) if isinstance(value, str) else f"[{', '.join(map(_yaml, value))}]"
    return join([f"{key}={shown}"])


def _yaml(text: str) -> str:
    """Text as YAML; between quotation marks where it might pass for something else."""
    return text if WORD.fullmatch(text) and text.lower() not in NOT_TEXT else json.dumps(text, ensure_ascii=False)


def split(text: str) -> list[str]:
    """The words of a text, where quotes hold spaces together. On Windows a backslash is part of a path.

    Raises:
        ValueError: a quotation mark has no partner.
    """
    lexer = shlex.shlex(text, posix=True, punctuation_chars=False)
    lexer.whitespace_split, lexer.commenters = True, ""
    if os.name == "nt":
        lexer.escape = ""
    return list(lexer)


def _double_quoted(word: str) -> str:
    """By the rules of Microsoft's C runtime: backslashes count only before a quotation mark, and are doubled there."""
    inner = re.sub(r'(\\*)("|\Z)', lambda match: match[1] * 2 + ('\\"' if match[2] else ""), word)
    return f'"{inner}"'
