"""Strict YAML: bytes to plain data, and where in the file every value stands.

PyYAML scans and parses; composing and resolving are ours, because its loaders follow YAML 1.1, let a later key
silently replace an earlier one, build Python objects from tags, follow aliases without a bound and recurse on
nesting. Here nothing is ever constructed but dict, list, str, int, float, bool and None, and every loop is bounded.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from lstmctl.config import scalars
from lstmctl.config.wording import LONGEST_QUOTE, inert, shortened, shown
from lstmctl.errors import ConfigError

MOST_BYTES = 1_000_000
MOST_NODES = 10_000
MOST_LEVELS = 32

Path = tuple[str | int, ...]


@dataclass(frozen=True, order=True)
class Position:
    """A place in a file: line and column, both counted from 1."""

    line: int
    column: int


@dataclass(frozen=True)
class Place:
    """Where an entry stands: its key (an item of a list: itself) and its value."""

    key: Position
    value: Position


@dataclass(frozen=True)
class Document:
    """One YAML document as plain data, with the place of every key path in it."""

    value: object
    places: dict[Path, Place] = field(repr=False)


class _ReadingError(Exception):
    """What is wrong and where; `position` is None when it concerns the whole file."""

    def __init__(self, text: str, position: Position | None) -> None:
        super().__init__(text)
        self.position = position


@dataclass
class _Node:
    """A composed node: `value` is a scalar, a list of nodes, or a dict of key to (key's position, node)."""

    value: object
    position: Position
    size: int = 1  # nodes in it once every alias is expanded
    pending_key: tuple[str, Position] | None = None
    anchor: str | None = None


def read(content: bytes, name: str) -> Document:
    """The mapping in `content`, a whole config file called `name` in messages.

    Raises ConfigError located as `NAME:LINE:COLUMN` for anything but one YAML mapping.
    """
    try:
        root = _compose(_decode(content))
        if root is None or (root.value is None and root.size == 1):
            raise _ReadingError("the file is empty; a config needs at least `data: {text: FILE}`", None)
        if not isinstance(root.value, dict):
            kind = "a list" if isinstance(root.value, list) else "a single value"
            raise _ReadingError(f"{kind} at the top; a config is a mapping of sections such as `model:`", root.position)
    except _ReadingError as problem:
        place = f":{problem.position.line}:{problem.position.column}" if problem.position else ""
        raise ConfigError(inert(f"{name}{place}  {shortened(str(problem), LONGEST_QUOTE)}")) from None
    return _document(root)


def read_value(text: str, name: str) -> object:
    """The value of a command-line override: a scalar, `[a, b]` or `{key: value}`.

    Raises ConfigError that starts with `name` for anything else.
    """
    try:
        root = _compose(_decode(text.encode("utf-8", "surrogateescape")), flow_only=True)
    except _ReadingError as problem:
        column = f" (column {problem.position.column})" if problem.position else ""
        raise ConfigError(inert(f"{name}  {shortened(str(problem), LONGEST_QUOTE)}{column}")) from None
    if root is None:
        raise ConfigError(f"{inert(name)}  no value after `=`; write `null` for none")
    return _document(root).value


def _decode(content: bytes) -> str:
    if len(content) > MOST_BYTES:
        raise _ReadingError(f"larger than {MOST_BYTES:,} bytes; this is not a config", None)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # The decoder counts from after a byte order mark.
        offset = error.start + (3 if content.startswith(b"\xef\xbb\xbf") else 0)
        line = content[:offset].count(b"\n") + 1
        raise _ReadingError(
            f"line {line}: byte 0x{content[offset]:02x} at offset {offset} is not UTF-8; save the file as UTF-8", None
        ) from None


def _events(text: str) -> Iterator[yaml.Event]:
    """PyYAML's events, its errors turned into ours."""
    try:
        yield from yaml.parse(text, Loader=yaml.SafeLoader)
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        position = Position(before.count("\n") + 1, len(before) - before.rfind("\n"))
        raise _ReadingError(f"character U+{ord(text[error.position]):04X} is not allowed in YAML", position) from None
    except yaml.MarkedYAMLError as error:
        raise _reworded(error, text) from None
    except (ValueError, OverflowError):
        # PyYAML turns the digits of an escape such as "\UFFFFFFFF" into a character without looking.
        raise _ReadingError("an escape in a quoted text names no character", None) from None


def _reworded(error: yaml.MarkedYAMLError, text: str) -> _ReadingError:
    """PyYAML's error in the words of someone who edits a config."""
    problem, context = error.problem or "not valid YAML", error.context or ""
    at = _position(error.problem_mark) if error.problem_mark else None
    opened = _position(error.context_mark) if error.context_mark else at
    rest = text[error.problem_mark.index :] if error.problem_mark else ""
    if rest.startswith("\t"):
        return _ReadingError("a tab; indent with spaces", at)
    if context in ("while parsing a flow sequence", "while parsing a flow mapping") and opened:
        bracket, closing = ("[", "]") if context.endswith("sequence") else ("{", "}")
        if not rest:
            return _ReadingError(f"`{bracket}` is never closed; add `{closing}`", opened)
        place = f"line {opened.line}, column {opened.column}"
        return _ReadingError(f"expected `,` or `{closing}` to go on with the `{bracket}` of {place}", at)
    if context == "while parsing a flow node" and not rest:
        return _ReadingError("the text ends inside brackets; close them", at)
    if context == "while scanning a quoted scalar" and "end of stream" in problem:
        return _ReadingError("a quotation mark is never closed", opened)
    if "could not find expected ':'" in problem:
        return _ReadingError("a key without `:`; write `key: value`", opened)
    if "mapping values are not allowed here" in problem:
        problem = "`:` is not allowed here; indent the key like its neighbours, or quote the text"
    elif "expected <block end>" in problem:
        problem = "unexpected indentation; indent the keys of a section alike"
    return _ReadingError(problem.replace("'", "`"), at)


def _compose(text: str, *, flow_only: bool = False) -> _Node | None:
    """The nodes of the only document in `text`, or None when it is empty. Keeps its own stack, so depth is a count."""
    root: _Node | None = None
    stack: list[_Node] = []
    anchors: dict[str, _Node] = {}
    count = 0
    documents = 0
    for event in _events(text):
        position = _position(event.start_mark)
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise _ReadingError("a second document starts; a config is one document", position)
            if flow_only and event.explicit:
                raise _ReadingError("a document marker; give a value", position)
            continue
        if isinstance(event, yaml.CollectionEndEvent):
            node = stack.pop()
        elif isinstance(event, yaml.NodeEvent):
            count += 1
            if count > MOST_NODES:
                raise _ReadingError(f"more than {MOST_NODES:,} values; this is not a config", position)
            node = _node(event, anchors, position, flow_only)
            if isinstance(event, yaml.CollectionStartEvent):
                if len(stack) == MOST_LEVELS:
                    raise _ReadingError(f"nested more than {MOST_LEVELS} levels deep", position)
                stack.append(node)
                continue
        else:
            continue
        if node.anchor is not None:
            anchors[node.anchor] = node
        if stack:
            _attach(stack[-1], node)
        else:
            root = node
    if root is not None and root.value is None and flow_only and not text.strip():
        return None
    return root


def _node(event: Any, anchors: dict[str, _Node], position: Position, flow_only: bool) -> _Node:
    # `event` is one of PyYAML's node events, whose attributes its published types leave out.
    if isinstance(event, yaml.AliasEvent):
        if event.anchor not in anchors:
            raise _ReadingError(f"`*{event.anchor}` refers to no finished `&{event.anchor}` above it", position)
        known = anchors[event.anchor]
        return _Node(known.value, position, known.size)
    if event.tag is not None:
        tag = event.tag.replace("tag:yaml.org,2002:", "!!")
        raise _ReadingError(f"tag `{tag}` is refused; a config holds plain values only", position)
    if isinstance(event, yaml.ScalarEvent):
        return _Node(_scalar(event, position), position, anchor=event.anchor)
    if flow_only and not event.flow_style:
        raise _ReadingError(
            "write a list as `[a, b]` and a mapping as `{key: value}`, and quote text with `: ` in it", position
        )
    empty: object = [] if isinstance(event, yaml.SequenceStartEvent) else {}
    return _Node(empty, position, anchor=event.anchor)


def _scalar(event: yaml.ScalarEvent, position: Position) -> scalars.Scalar:
    if any("\ud800" <= character <= "\udfff" for character in event.value):
        raise _ReadingError("half of a surrogate pair; write the character itself", position)
    if not event.implicit[0]:
        return str(event.value)
    try:
        return scalars.resolve(event.value)
    except ValueError as error:
        raise _ReadingError(str(error), position) from None


def _attach(parent: _Node, node: _Node) -> None:
    """Put a finished node into the collection it stands in."""
    parent.size += node.size
    if parent.size > MOST_NODES:
        raise _ReadingError(f"aliases expand to more than {MOST_NODES:,} values", node.position)
    if isinstance(parent.value, list):
        parent.value.append(node)
        return
    assert isinstance(parent.value, dict)
    if parent.pending_key is None:
        if not isinstance(node.value, str):
            key = "a list or mapping" if isinstance(node.value, list | dict) else f"`{shown(node.value)}`"
            raise _ReadingError(f"{key} as a key; keys are text (quote it if it is meant as text)", node.position)
        if node.value in parent.value:
            first = parent.value[node.value][0]
            raise _ReadingError(
                f"{shown(node.value)} is given twice, in line {first.line} and in line {node.position.line}; keep one",
                node.position,
            )
        parent.pending_key = (node.value, node.position)
        return
    name, key_position = parent.pending_key
    parent.value[name] = (key_position, node)
    parent.pending_key = None


def _document(root: _Node) -> Document:
    """Plain data; every use of an alias becomes a copy, with the places of the use."""
    places: dict[Path, Place] = {(): Place(root.position, root.position)}

    def build(node: _Node, path: Path) -> object:
        # Depth is bounded: composing allows MOST_LEVELS, and an alias is finished before it is used.
        if isinstance(node.value, dict):
            result: dict[str, object] = {}
            for key, (key_position, child) in node.value.items():
                places[(*path, key)] = Place(key_position, child.position)
                result[key] = build(child, (*path, key))
            return result
        if isinstance(node.value, list):
            for index, child in enumerate(node.value):
                places[(*path, index)] = Place(child.position, child.position)
            return [build(child, (*path, index)) for index, child in enumerate(node.value)]
        return node.value

    return Document(build(root, ()), places)


def _position(mark: Any) -> Position:
    return Position(mark.line + 1, mark.column + 1)
