"""Strict YAML: bytes to plain data, and the place of every value in the file.

PyYAML composes the nodes; their values are ours, because its loaders follow YAML 1.1, let a later key silently replace
an earlier one, build Python objects from tags, follow aliases without a bound and recurse on nesting. Here only dict,
list, str, int, float, bool and None are ever constructed, and every loop is bounded.
"""

from __future__ import annotations

import copy
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
    """Position of an entry: its key (for an item of a list: itself) and its value."""

    key: Position
    value: Position


@dataclass(frozen=True)
class Document:
    """One YAML document as plain data, with the place of every key path in it."""

    value: object
    places: dict[Path, Place] = field(repr=False)


class _ReadingError(Exception):
    """A problem and its position; `position` is None if it concerns the whole file."""

    def __init__(self, text: str, position: Position | None) -> None:
        super().__init__(text)
        self.position = position


def read(content: bytes, name: str) -> Document:
    """Parse `content`, a whole config file called `name` in messages.

    Raises ConfigError located as `NAME:LINE:COLUMN` for anything but one YAML mapping.
    """
    try:
        root = _compose(_decode(content))
        if root is None or (isinstance(root, yaml.ScalarNode) and _scalar(root) is None):
            raise _ReadingError("the file is empty; a config needs at least `data: {text: FILE}`", None)
        if not isinstance(root, yaml.MappingNode):
            kind = "a list" if isinstance(root, yaml.SequenceNode) else "a single value"
            position = _position(root.start_mark)
            raise _ReadingError(f"{kind} at the top; a config is a mapping of sections such as `model:`", position)
        return _document(root)
    except _ReadingError as problem:
        place = f":{problem.position.line}:{problem.position.column}" if problem.position else ""
        raise ConfigError(inert(f"{name}{place}  {shortened(str(problem), LONGEST_QUOTE)}")) from None


def read_value(text: str, name: str) -> object:
    """Parse the value of a command-line override: a scalar, `[a, b]` or `{key: value}`.

    Raises ConfigError that starts with `name` for anything else.
    """
    try:
        root = _compose(_decode(text.encode("utf-8", "surrogateescape")), _FlowLoader)
        value = None if root is None else _document(root).value
    except _ReadingError as problem:
        column = f" (column {problem.position.column})" if problem.position else ""
        raise ConfigError(inert(f"{name}  {shortened(str(problem), LONGEST_QUOTE)}{column}")) from None
    if root is None:
        raise ConfigError(f"{inert(name)}  no value after `=`; write `null` for none")
    return value


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


class _Loader(yaml.SafeLoader):
    """PyYAML's composer with bounds; its nodes are placed where they are used, aliases included."""

    flow_only = False

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.count = self.level = 0
        self.sizes: dict[str, int] = {}
        """Nodes below each finished anchor, once every alias is expanded."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]  # a node event, whose attributes the published types leave out
        position = _position(event.start_mark)
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in self.sizes:
                raise _ReadingError(f"`*{event.anchor}` refers to no finished `&{event.anchor}` above it", position)
            self.get_event()  # type: ignore[no-untyped-call]
            self._count(self.sizes[event.anchor], f"aliases expand to more than {MOST_NODES:,} values", position)
            use = copy.copy(self.anchors[event.anchor])
            use.start_mark = event.start_mark
            return use
        self._check(event, position)
        before = self.count
        self._count(1, f"more than {MOST_NODES:,} values; this is not a config", position)
        self.anchors.pop(event.anchor, None)
        self.sizes.pop(event.anchor, None)
        self.level += 1
        node = super().compose_node(parent, index)
        self.level -= 1
        if event.anchor is not None:
            self.sizes[event.anchor] = self.count - before
        return node

    def _check(self, event: Any, position: Position) -> None:
        if event.tag is not None:
            tag = event.tag.replace("tag:yaml.org,2002:", "!!")
            raise _ReadingError(f"tag `{tag}` is refused; a config contains only plain values", position)
        if isinstance(event, yaml.CollectionStartEvent):
            if self.level == MOST_LEVELS:
                raise _ReadingError(f"nested more than {MOST_LEVELS} levels deep", position)
            if self.flow_only and not event.flow_style:
                raise _ReadingError(
                    "write a list as `[a, b]` and a mapping as `{key: value}`, and quote text with `: ` in it", position
                )

    def _count(self, nodes: int, problem: str, position: Position) -> None:
        self.count += nodes
        if self.count > MOST_NODES:
            raise _ReadingError(problem, position)


class _FlowLoader(_Loader):
    flow_only = True


def _compose(text: str, loader: type[_Loader] = _Loader) -> yaml.Node | None:
    """Return the nodes of the only document in `text`, or None if it is empty; PyYAML's errors become ours."""
    try:
        return yaml.compose(text, Loader=loader)
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        position = Position(before.count("\n") + 1, len(before) - before.rfind("\n"))
        raise _ReadingError(f"character U+{ord(text[error.position]):04X} is not allowed in YAML", position) from None
    except yaml.MarkedYAMLError as error:
        raise _reworded(error, text) from None
    except (ValueError, OverflowError):
        # PyYAML does not check the digits of an escape such as "\UFFFFFFFF".
        raise _ReadingError("an escape in a quoted text is not a valid character", None) from None


def _reworded(error: yaml.MarkedYAMLError, text: str) -> _ReadingError:
    """Return PyYAML's error in terms that make sense to someone who edits a config."""
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
        return _ReadingError(f"expected `,` or `{closing}` to continue the `{bracket}` of {place}", at)
    if context == "while parsing a flow node" and not rest:
        return _ReadingError("the text ends inside brackets; close them", at)
    if context == "while scanning a quoted scalar" and "end of stream" in problem:
        return _ReadingError("a quotation mark is never closed", opened)
    if "could not find expected ':'" in problem:
        return _ReadingError("a key without `:`; write `key: value`", opened)
    if problem == "but found another document":
        problem = "a second document starts; a config is one document"
    elif "mapping values are not allowed here" in problem:
        problem = "`:` is not allowed here; indent the key like its neighbours, or quote the text"
    elif "expected <block end>" in problem:
        problem = "unexpected indentation; indent the keys of a section alike"
    return _ReadingError(problem.replace("'", "`"), at)


def _document(root: yaml.Node) -> Document:
    """Return plain data; every use of an alias becomes a copy, with the places of the use."""
    places: dict[Path, Place] = {}

    def build(node: yaml.Node, path: Path, key: Position | None = None) -> object:
        position = _position(node.start_mark)
        places[path] = Place(key or position, position)
        if isinstance(node, yaml.ScalarNode):
            return _scalar(node)
        if len(path) >= MOST_LEVELS:  # by aliases inside aliases
            raise _ReadingError(f"nested more than {MOST_LEVELS} levels deep", position)
        if isinstance(node, yaml.SequenceNode):
            return [build(child, (*path, index)) for index, child in enumerate(node.value)]
        result: dict[str, object] = {}
        for key_node, child in node.value:
            name, position = _key(key_node), _position(key_node.start_mark)
            if name in result:
                lines = f"in line {places[*path, name].key.line} and in line {position.line}"
                raise _ReadingError(f"{shown(name)} is set twice, {lines}; keep one", position)
            result[name] = build(child, (*path, name), position)
        return result

    return Document(build(root, ()), places)


def _key(node: yaml.Node) -> str:
    key = _scalar(node) if isinstance(node, yaml.ScalarNode) else None
    if isinstance(key, str):
        return key
    kind = f"`{shown(key)}`" if isinstance(node, yaml.ScalarNode) else "a list or mapping"
    raise _ReadingError(f"{kind} as a key; keys are text (quote it if it is meant as text)", _position(node.start_mark))


def _scalar(node: yaml.ScalarNode) -> scalars.Scalar:
    position = _position(node.start_mark)
    if any("\ud800" <= character <= "\udfff" for character in node.value):
        raise _ReadingError("half of a surrogate pair; write the character itself", position)
    if node.style is not None:  # in quotes, or a block of text
        return str(node.value)
    try:
        return scalars.resolve(node.value)
    except ValueError as error:
        raise _ReadingError(str(error), position) from None


def _position(mark: Any) -> Position:
    return Position(mark.line + 1, mark.column + 1)
