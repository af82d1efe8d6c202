"""Strict YAML: values, places, and every refusal by its message (faults 1, 2, 6, 7, 8 of the reliability list)."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lstmctl.config.reading import Document, Position, read, read_value
from lstmctl.errors import ConfigError


def test_values_and_places() -> None:
    document = read(b"model:\n  hidden: 0x10\n  cell: lstm\nlist: [1e-3, no]\n", "my.yaml")
    assert document.value == {"model": {"hidden": 16, "cell": "lstm"}, "list": [0.001, "no"]}
    assert document.places["model", "hidden"].key == Position(2, 3)
    assert document.places["model", "hidden"].value == Position(2, 11)
    assert document.places["list", 1].value == Position(4, 14)


def test_an_alias_is_a_copy_placed_where_it_is_used() -> None:
    document = read(b"a: &x {k: 1}\nb: *x\n", "my.yaml")
    assert isinstance(document.value, dict)
    assert document.value == {"a": {"k": 1}, "b": {"k": 1}}
    assert document.value["a"] is not document.value["b"]
    assert document.places["b",].value == Position(2, 4)


@pytest.mark.parametrize(
    "content", [b"\xef\xbb\xbfa: 1\n", b"a: 1\r\n", b"a: 1", b"# hello\n---\na: 1\n...\n", b"%YAML 1.2\n---\na: 1"]
)
def test_marks_of_editors_are_accepted(content: bytes) -> None:
    assert read(content, "my.yaml").value == {"a": 1}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        # 1: a tab, an unclosed bracket
        ("model:\n\thidden: 3\n", "my.yaml:2:1  a tab; indent with spaces"),
        ("a: 1\nmodel: [1, 2\n", "my.yaml:2:8  `[` is never closed; add `]`"),
        ("model: {hidden: 3\n", "my.yaml:1:8  `{` is never closed; add `}`"),
        ("model: {a: 1\nb: 2\n", "my.yaml:2:2  expected `,` or `}` to continue the `{` of line 1, column 8"),
        ('a: "text\n', "my.yaml:1:4  a quotation mark is never closed"),
        ("a: b: c\n", "my.yaml:1:5  `:` is not allowed here; indent the key like its neighbours, or quote the text"),
        ("a:\n  b: 1\n c: 2\n", "my.yaml:3:2  unexpected indentation; indent the keys of a section alike"),
        ("a: 1\nb\nc: 2\n", "my.yaml:2:1  a key without `:`; write `key: value`"),
        # 2: a duplicate key
        ("a: 1\nb: 2\na: 3\n", 'my.yaml:3:1  "a" is set twice, in line 1 and in line 3; keep one'),
        ("m: {a: 1, 'a': 3}", 'my.yaml:1:11  "a" is set twice, in line 1 and in line 1; keep one'),
        # 6: tags
        (
            "a: !!python/object/apply:os.system [exit]\n",
            "my.yaml:1:4  tag `!!python/object/apply:os.system` is refused; a config contains only plain values",
        ),
        ("a: !!str 5\n", "my.yaml:1:4  tag `!!str` is refused; a config contains only plain values"),
        ("a: ! 5\n", "my.yaml:1:4  tag `!` is refused; a config contains only plain values"),
        ("!x a: 5\n", "my.yaml:1:1  tag `!x` is refused; a config contains only plain values"),
        # 8: the top
        ("", "my.yaml  the file is empty; a config needs at least `data: {text: FILE}`"),
        ("# only a comment\n", "my.yaml  the file is empty; a config needs at least `data: {text: FILE}`"),
        ("- a\n", "my.yaml:1:1  a list at the top; a config is a mapping of sections such as `model:`"),
        ("\n  5\n", "my.yaml:2:3  a single value at the top; a config is a mapping of sections such as `model:`"),
        ("a: 1\n---\nb: 2\n", "my.yaml:2:1  a second document starts; a config is one document"),
        # keys
        ("5: 1\n", "my.yaml:1:1  `5` as a key; keys are text (quote it if it is meant as text)"),
        ("true: 1\n", "my.yaml:1:1  `true` as a key; keys are text (quote it if it is meant as text)"),
        ("? [a]\n: 1\n", "my.yaml:1:3  a list or mapping as a key; keys are text (quote it if it is meant as text)"),
        # characters
        (b"a: 1\nb: \xff\n", "my.yaml  line 2: byte 0xff at offset 8 is not UTF-8; save the file as UTF-8"),
        (b"\xef\xbb\xbfa: \xff\n", "my.yaml  line 1: byte 0xff at offset 6 is not UTF-8; save the file as UTF-8"),
        (b"\xff\xfea\0", "my.yaml  line 1: byte 0xff at offset 0 is not UTF-8; save the file as UTF-8"),
        ("a: 1\nb: \0\n", "my.yaml:2:4  character U+0000 is not allowed in YAML"),
        ('a: "\\UFFFFFFFF"\n', "my.yaml  an escape in a quoted text is not a valid character"),
        ('a: "\\uD800"\n', "my.yaml:1:4  half of a surrogate pair; write the character itself"),
        ("a: " + "9" * 5000, "my.yaml:1:4  a number of 5000 digits; at most 400 are allowed"),
        # aliases
        ("a: *b\n", "my.yaml:1:4  `*b` refers to no finished `&b` above it"),
        ("a: &a [*a]\n", "my.yaml:1:8  `*a` refers to no finished `&a` above it"),
    ],
)
def test_refusals(content: str | bytes, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(content if isinstance(content, bytes) else content.encode(), "my.yaml")
    assert caught.value.problems == [message]


BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join(['*' + before] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


DEEP = f"a: &a {'[' * 30}1{']' * 30}\nb: {'[' * 30}*a{']' * 30}\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (BOMB.encode(), "my.yaml:5:8  aliases expand to more than 10,000 values"),
        (DEEP.encode(), "my.yaml:1:8  nested more than 32 levels deep"),
        (b"x" * 50_000_000, "my.yaml  larger than 1,000,000 bytes; this is not a config"),
        (b"[" * 900_000, "my.yaml:1:33  nested more than 32 levels deep"),
        (b"- " * 400_000, "my.yaml:1:65  nested more than 32 levels deep"),
        (b"[" + b"1," * 400_000 + b"]", "my.yaml:1:20000  more than 10,000 values; this is not a config"),
    ],
    ids=["aliases", "deep aliases", "size", "brackets", "dashes", "values"],
)
def test_bombs_are_refused_within_a_second(content: bytes, message: str) -> None:
    start = time.process_time()
    with pytest.raises(ConfigError) as caught:
        read(content, "my.yaml")
    assert time.process_time() - start < 1
    assert caught.value.problems == [message]


def read_or_refusal(attempt: Callable[[], object]) -> object:
    """Return the result of `attempt`, or the one message of its ConfigError; any other exception fails the test."""
    try:
        return attempt()
    except ConfigError as error:
        (message,) = error.problems
        return message


YAML_LIKE = st.lists(
    st.sampled_from(
        [
            "a",
            "model",
            ": ",
            ":",
            "\n",
            "  ",
            "- ",
            "[",
            "]",
            "{",
            "}",
            ", ",
            "&a ",
            "*a",
            "!",
            "'",
            '"',
            "|",
            ">",
            "#",
            "\t",
            "? ",
            "---\n",
            "%",
            "\\U",
            "1",
            ".",
            "\x85",
            "\ufeff",
        ]
    ),
    max_size=40,
).map("".join)


@given(st.binary() | st.text().map(lambda text: text.encode("utf-8", "surrogatepass")) | YAML_LIKE.map(str.encode))
@example(b"\xef\xbb\xbf\xef\xbb\xbfa: 1")
@settings(max_examples=500)
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    result = read_or_refusal(lambda: read(content, "my.yaml"))
    if isinstance(result, str):
        assert result.startswith("my.yaml")
        assert result.isprintable()
    else:
        assert isinstance(result, Document)
        assert isinstance(result.value, dict)


@given(st.text() | YAML_LIKE)
@settings(max_examples=300)
def test_any_override_value_is_read_or_refused(text: str) -> None:
    result = read_or_refusal(lambda: [read_value(text, "command line")])
    if isinstance(result, str):
        assert result.startswith("command line  ")
        assert result.isprintable()


def test_a_terminal_escape_in_a_key_is_shown_inert(problems: Callable[..., list[str]]) -> None:
    assert problems('data: {text: a}\n"\\e[31mred": 1\n') == [
        "my.yaml:2:1  \\x1b[31mred — unknown key; one of format, task, data, model, training, device, threads, seed"
    ]
