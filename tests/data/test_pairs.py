"""Pairs of texts: each half as numbers, and what is refused, with its line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lstmctl.data.pairs import PairsCorpus, PairsEncoding, PairsLayout, Texts, open_pairs
from lstmctl.errors import DataError, RunError

PAIRS = "one\t1\ntwo\t2\nthree\t3\nfour\t4\n"


def pairs(content: str | bytes, *, encoding: PairsEncoding | None = None, **layout: Any) -> PairsCorpus:
    Path("a.tsv").write_bytes(content if isinstance(content, bytes) else content.encode())
    return open_pairs(
        "a.tsv", PairsLayout(**{"split": (0.5, 0.5), "vocabulary": "all", **layout}), Path.cwd(), encoding=encoding
    )


def refused(content: str | bytes, *, encoding: PairsEncoding | None = None) -> DataError:
    with pytest.raises(DataError) as caught:
        pairs(content, encoding=encoding)
    return caught.value


def texts(found: Texts, corpus: PairsCorpus, side: str) -> list[str]:
    encoding = getattr(corpus.encoding, side)
    return [encoding.decode(found.input(index)) for index in range(len(found))]


def test_a_line_is_a_pair() -> None:
    corpus = pairs(PAIRS)
    assert len(corpus) == 4
    assert texts(corpus.sources, corpus, "source") == ["one", "two", "three", "four"]
    assert texts(corpus.targets, corpus, "target") == ["1", "2", "3", "4"]
    assert corpus.encoding.source.symbols == "efhnortuw"
    assert corpus.encoding.target.symbols == "1234"
    assert corpus.sources.starts.tolist() == [0, 3, 6, 11]
    assert corpus.sources.lengths.tolist() == [3, 3, 5, 4]
    assert corpus.parts == {"training": (0, 2), "validation": (2, 4)}
    assert corpus.fingerprint["pairs"] == 4
    assert corpus.fingerprint["bytes"] == len(PAIRS)
    assert corpus.is_labelled
    assert corpus.notes == ("Sources have 3 to 5 characters.", "Targets have 1 characters.")


def test_a_part_is_its_sources_and_targets() -> None:
    corpus = pairs(PAIRS)
    sources, targets = corpus.part("validation")
    assert texts(sources, corpus, "source") == ["three", "four"]
    assert texts(targets, corpus, "target") == ["3", "4"]
    assert sources.values is corpus.sources.values


def test_line_ends_blanks_and_a_mark_at_the_start_do_not_count() -> None:
    corpus = pairs(b"\xef\xbb\xbf one \t1\r\n\r\ntwo\t 2 \r\n\n")
    assert texts(corpus.sources, corpus, "source") == ["one", "two"]
    assert texts(corpus.targets, corpus, "target") == ["1", "2"]
    assert "2 empty lines were ignored." in corpus.notes


def test_signs_that_only_some_take_for_line_ends_are_characters() -> None:
    corpus = pairs("a\u2028b\tc\x0bd\ne\tf\n")
    assert texts(corpus.sources, corpus, "source") == ["a\u2028b", "e"]


def test_several_files_follow_each_other() -> None:
    Path("a.tsv").write_text("a\tb", encoding="utf-8")
    Path("b.tsv").write_text("c\td\n", encoding="utf-8")
    corpus = open_pairs(["b.tsv", "a.tsv"], PairsLayout(split=(1, 1)), Path.cwd())
    assert texts(corpus.sources, corpus, "source") == ["c", "\ufffd"]  # a is in the validation part alone
    assert corpus.names == (str(Path("b.tsv").resolve()), str(Path("a.tsv").resolve()))
    assert corpus.fingerprint["bytes"] == 7


def test_sources_that_come_again_in_another_part_are_reported() -> None:
    corpus = pairs("a\tb\nc\td\na\tb\ne\tf\n")
    assert corpus.warnings == {
        "validation": (
            "1 of the 2 sources of the validation part is in the training part too, which makes its scores too good; "
            "leave out repeated sources",
        )
    }


def test_pairs_can_be_split_at_random() -> None:
    lines = "".join(f"{number:02}\t{number}\n" for number in range(20))
    in_order, shuffled, again, other = (
        pairs(lines, **layout)
        for layout in ({}, {"split_by": "random"}, {"split_by": "random"}, {"split_by": "random", "split_seed": 1})
    )
    orders = [texts(one.sources, one, "source") for one in (in_order, shuffled, again, other)]
    assert orders[0] == sorted(orders[0])
    assert orders[1] == orders[2]
    assert len({tuple(order) for order in orders}) == 3
    assert all(set(order) == set(orders[0]) for order in orders)
    targets = texts(shuffled.targets, shuffled, "target")
    assert [int(source) for source in orders[1]] == [int(target) for target in targets]


def test_the_test_part_may_be_a_file_of_its_own() -> None:
    Path("b.tsv").write_text("four\t4\ntwo\t2\n", encoding="utf-8")
    corpus = pairs("one\t1\nthree\t3\n", split=(0.4, 0.4, 0.2), test="b.tsv", vocabulary="training")
    assert corpus.parts == {"training": (0, 1), "validation": (1, 2), "test": (2, 4)}
    assert texts(corpus.sources, corpus, "source") == [
        "one",
        "\ufffd\ufffd\ufffdee",
        "\ufffdo\ufffd\ufffd",
        "\ufffd\ufffdo",
    ]
    assert corpus.test_names == (str(Path("b.tsv").resolve()),)
    assert corpus.unknown["test"] == (
        "2 of 2 sources ('f', 'u', 'r', 't', 'w') and 2 of 2 targets ('4', '2') of the test part with symbols that the "
        "training part lacks, read as unknown."
    )
    alone = pairs("one\t1\nthree\t3\n")
    assert corpus.fingerprint["sha256"] != alone.fingerprint["sha256"]


@pytest.mark.parametrize(
    ("content", "message", "hint"),
    [
        ("a\tb\nc d\n", ": line 2: no tab", "a line is a source, a tab, and a target"),
        ("a\tb\nc\td\te\n", ": line 2: 2 tabs, but a pair has one", "write others as spaces"),
        ("a\tb\n\td\n", ": line 2: nothing before the tab", "complete it"),
        ("a\tb\n\nc\t \n", ": line 3: nothing after the tab", "or delete the line"),
        ("", " contains no pair", "a line is a source"),
        ("a\tb\n", ": data.split leaves no training part of 1 pairs; increase", "more pairs"),
        (b"a\tb\ncaf\xe9\td\n", ": line 2, byte offset 7: 0xe9 is not UTF-8", "iconv -f windows-1252 -t utf-8 "),
        (f"a\tb\n{'c' * 100_001}\td\n", ": line 2: a text of 100,001 characters, but one may have 100,000", "several"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(content: str | bytes, message: str, hint: str) -> None:
    error = refused(content)
    assert str(error).startswith(f"{Path('a.tsv').resolve()}{message}")
    assert hint in str(error.hint)
    assert "data.symbols" not in str(error.hint)


def test_a_run_reads_another_file_as_one_part() -> None:
    own = pairs(PAIRS)
    corpus = pairs("four\t1\nhot\t33\n", encoding=own.encoding)
    assert corpus.parts == {"validation": (0, 2)}
    assert corpus.encoding == own.encoding
    assert corpus.targets.values.tolist() == [0, 2, 2]


def test_a_run_reads_sources_without_a_target() -> None:
    corpus = pairs("four\nhot\t33\nnot\n", encoding=pairs(PAIRS).encoding)
    assert texts(corpus.sources, corpus, "source") == ["four", "hot", "not"]
    assert corpus.targets.lengths.tolist() == [0, 2, 0]
    assert not corpus.is_labelled
    assert "2 sources have no target." in corpus.notes


def test_characters_unknown_to_the_run_are_counted_and_read_as_unknown() -> None:
    own = pairs(PAIRS).encoding
    corpus = pairs("one\t1\ntax\t2\nfour\t419\n", encoding=own)
    assert corpus.sources.input(1).tolist() == [6, 9, 9]
    assert corpus.targets.input(2).tolist() == [3, 0, 4]
    assert corpus.sources.written == ("one", "tax", "four")
    assert corpus.unknown == {
        "validation": "1 of 3 sources ('a', 'x') and 1 of 3 targets ('9') with symbols that the run does not know, "
        "read as unknown."
    }


def test_targets_that_are_not_needed_are_not_read() -> None:
    Path("a.tsv").write_text("one\t\ntwo\t9\t9\n", encoding="utf-8")
    layout, own = PairsLayout(), pairs(PAIRS).encoding
    Path("a.tsv").write_text("one\t\ntwo\t9\t9\n", encoding="utf-8")
    corpus = open_pairs("a.tsv", layout, None, encoding=own, with_targets=False)
    assert texts(corpus.sources, corpus, "source") == ["one", "two"]
    assert corpus.targets.lengths.tolist() == [0, 0]


def test_a_missing_half_is_refused_where_a_run_reads_too() -> None:
    assert "line 1: nothing after the tab" in str(refused("one\t\n", encoding=pairs(PAIRS).encoding))


def test_an_encoding_is_the_same_after_a_journey_through_json() -> None:
    encoding = pairs(PAIRS).encoding
    again = PairsEncoding.from_json(encoding.to_json())
    assert again == encoding


@pytest.mark.parametrize("data", [{}, {"format": 1, "source": {}}, {"format": 2, "source": {}, "target": {}}])
def test_what_is_not_an_encoding_of_pairs_is_refused(data: dict[str, object]) -> None:
    with pytest.raises(RunError, match=r"not an encoding of pairs of format 1"):
        PairsEncoding.from_json(data)
