"""Tables of labelled sequences: what each row becomes, and what is refused, with its line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from lstmctl.config.schema import TableData
from lstmctl.data.labelled_table import LabelledTable, Layout, open_table
from lstmctl.data.sequences import UNLABELLED, SequenceEncoding
from lstmctl.errors import DataError

CLASSIFICATION, REGRESSION, TAGGING = "classification", "regression", "tagging"
HALVES = (0.5, 0.5)
TEXTS = 'text,label\nab,x\n"b,a",y\ncab,x\naa,y\n'
FRAMES = "sequence,a,b,label\ns,1,10,x\ns,2,20,x\nt,3,30,y\nu,5,40,x\nu,7,60,x\nv,9,90,y\n"
RECORDING = "a,label\n" + "".join(f"{row},{'yxxxxyxxxyxx'[row]}\n" for row in range(12))


def table(
    content: str, task: str = CLASSIFICATION, *, encoding: SequenceEncoding | None = None, **layout: Any
) -> LabelledTable:
    Path("a.csv").write_text(content, encoding="utf-8", newline="")
    return open_table(
        "a.csv", Layout(**{"split": HALVES, "split_by": "order", **layout}), task, Path.cwd(), encoding=encoding
    )


def refused(
    content: str, task: str = CLASSIFICATION, *, encoding: SequenceEncoding | None = None, **layout: Any
) -> DataError:
    with pytest.raises(DataError) as caught:
        table(content, task, encoding=encoding, **layout)
    return caught.value


def texts_of(corpus: LabelledTable) -> list[str]:
    symbols = corpus.encoding.symbols
    assert symbols is not None
    return [symbols.decode(corpus.sequences.input(index)) for index in range(len(corpus))]


def inputs_of(corpus: LabelledTable) -> list[Any]:
    return [corpus.sequences.input(index).tolist() for index in range(len(corpus))]


def test_the_layout_has_the_keys_of_the_config_and_their_defaults() -> None:
    section = TableData(table=("a.csv",)).model_dump()
    assert Layout.of(section) == Layout()
    assert set(vars(Layout())) == set(section) - {"table"}


# Rows of texts.


def test_a_row_is_a_text_with_its_class() -> None:
    corpus = table(TEXTS)
    assert texts_of(corpus) == ["ab", "b,a", "\ufffdab", "aa"]
    assert corpus.encoding.labels == ("x", "y")
    assert corpus.sequences.targets.tolist() == [0, 1, 0, 1]
    assert corpus.sequences.starts.tolist() == [0, 2, 5, 8]
    assert corpus.sequences.lengths.tolist() == [2, 3, 3, 2]
    assert corpus.parts == {"training": (0, 2), "validation": (2, 4)}
    assert corpus.fingerprint["sequences"] == 4
    assert corpus.fingerprint["steps"] == 10
    assert corpus.names == (str(Path("a.csv").resolve()),)
    assert corpus.is_labelled
    assert corpus.notes == ("Sequences by label: x 2, y 2.", "Sequences have 2 to 3 characters.")


def test_a_part_is_its_sequences_over_the_same_inputs() -> None:
    corpus = table(TEXTS)
    part = corpus.part("validation")
    assert part.inputs is corpus.sequences.inputs
    assert len(part) == 2
    assert part.input(0).tolist() == corpus.sequences.input(2).tolist()
    assert part.target(1) == 1


def test_the_vocabulary_is_that_of_the_training_part() -> None:
    corpus = table(TEXTS)
    assert corpus.encoding.symbols is not None
    assert corpus.encoding.symbols.symbols == ",ab"  # c is in the validation part alone
    assert len(corpus.encoding.symbols) == 4
    assert corpus.sequences.input(2).tolist() == [3, 1, 2]
    assert corpus.unknown == {
        "validation": "1 of 2 texts of the validation part has symbols that the training part lacks, read as unknown: "
        "'c'."
    }


def test_the_vocabulary_is_that_of_the_whole_table_if_the_config_says_so() -> None:
    corpus = table(TEXTS, vocabulary="all")
    assert corpus.encoding.symbols is not None
    assert corpus.encoding.symbols.symbols == ",abc"
    assert len(corpus.encoding.symbols) == 4
    assert corpus.unknown == {}


def test_quoted_texts_keep_separators_and_quotation_marks() -> None:
    corpus = table('text,label\n"a ""b"", c",x\nd;e,y\n"f\tg",x\nh|i,y\n', vocabulary="all")
    assert texts_of(corpus) == ['a "b", c', "d;e", "f\tg", "h|i"]


def test_a_quoted_text_may_have_several_lines() -> None:
    content = 'text,label\na,x\n"b\n\n""c"", d",y\ne,x\n\nf\tg,"y\n"\n'
    assert texts_of(table(content, vocabulary="all")) == ["a", 'b\n\n"c", d', "e", "f\tg"]
    error = refused(content + "g,z,y\n")
    assert "line 10: 3 fields, but the header (line 1) has 2" in str(error)
    assert "line 3: a quotation mark is never closed" in str(refused('text,label\na,x\n"b\nc,y\n'))


@pytest.mark.parametrize("line", ['"hi" there,x', 'say "a,b",x', '"a"b"c",x'])
def test_quotation_marks_around_a_part_of_a_text_are_refused_with_their_line(line: str) -> None:
    error = refused(f'text,label\n"b, ""b""",y\nsay "c",x\n{line}\n')
    assert str(error).endswith("a.csv: line 4: quotation marks enclose only a part of a field")
    assert error.hint == 'put the whole field between them, and write one inside as ""'


def test_words_for_missing_values_are_texts_and_labels_like_others() -> None:
    corpus = table("text,label\nNA,none\nnull,some\nnan,none\nb,some\n", vocabulary="all")
    assert texts_of(corpus) == ["NA", "null", "nan", "b"]
    assert corpus.encoding.labels == ("none", "some")


def test_a_text_to_a_number() -> None:
    corpus = table("text,label\na,1\nb,3\na,8\n", REGRESSION, split=(2, 1))
    assert corpus.sequences.targets.tolist() == [[1.0], [3.0], [8.0]]  # in the units of the table
    assert corpus.encoding.outputs is not None
    assert corpus.encoding.outputs.centre == (2.0,)  # of the training part alone
    assert corpus.encoding.outputs.spread == (1.0,)
    assert corpus.encoding.labels == ()


def test_labels_where_numbers_are_to_be_told_are_refused_with_the_task_that_tells_them() -> None:
    error = refused(TEXTS, REGRESSION)
    assert "a.csv: line 2, column `label`: `x` is not a number, which task.type regression requires" in str(error)
    assert str(error.hint).startswith("task.type=classification predicts labels")


def test_numbers_where_labels_are_to_be_told_are_refused_with_the_task_that_tells_them() -> None:
    rows = "".join(f"a,{row}.5\n" for row in range(4))
    error = refused("text,label\n" + rows)
    assert "`2.5` is a label of the validation part that the training part never has" in str(error)
    assert error.hint == "task.type=regression predicts numbers"


@pytest.mark.parametrize(("line", "hint"), [("b", None), ("b,c,y", "put a text with a comma between")])
def test_a_row_of_too_few_fields_is_not_told_of_commas(line: str, hint: str | None) -> None:
    error = refused(f"text,label\na,x\n{line}\n")
    assert "line 3: " in str(error)
    assert error.hint is None if hint is None else str(error.hint).startswith(hint)


def test_several_numbers_to_tell() -> None:
    corpus = table("text,p,q\na,1,5\nb,3,5\na,8,9\n", REGRESSION, split=(2, 1), label=("q", "p"))
    assert corpus.sequences.targets.tolist() == [[5, 1], [5, 3], [9, 8]]
    assert corpus.encoding.outputs is not None
    assert corpus.encoding.outputs.names == ("q", "p")
    assert "`q` is constant (5) in its training rows; its spread is taken as 1." in corpus.notes


@pytest.mark.parametrize("labels", [("NUO", "ON"), ("N U O", "O N"), ("NUO", "O N")])
def test_characters_are_tagged_by_characters_or_by_words(labels: tuple[str, str]) -> None:
    corpus = table(f"text,label\n3m.,{labels[0]}\n.3,{labels[1]}\n", TAGGING)
    assert corpus.encoding.labels == ("N", "O", "U")
    assert corpus.sequences.by_step
    assert corpus.sequences.targets.tolist() == [0, 2, 1, 1, 0]
    assert corpus.sequences.target(1).tolist() == [1, 0]


def test_labels_of_several_characters() -> None:
    corpus = table("text,label\nab,B-x I-x\nc,B-x\n", TAGGING)
    assert corpus.encoding.labels == ("B-x", "I-x")
    assert corpus.sequences.targets.tolist() == [0, 1, 0]


@pytest.mark.parametrize(("labels", "count"), [("NU", "2 labels"), ("N U O N", "4 labels"), ("NUON", "4 labels")])
def test_every_character_has_one_label(labels: str, count: str) -> None:
    error = refused(f"text,label\nab,NU\n3m.,{labels}\n", TAGGING)
    assert str(error) == f"{Path('a.csv').resolve()}: line 3, column `label`: {count} for 3 characters"
    assert error.hint is not None
    assert "or one label each, separated by spaces" in error.hint


def test_texts_that_come_again_in_another_part_are_told() -> None:
    corpus = table("text,label\na,x\nb,y\na,x\nc,y\n")
    assert corpus.warnings == {
        "validation": (
            "1 of the 2 texts of the validation part is in the training part too, which makes its scores too good; "
            "data.split_by=group:text keeps equal texts in one part",
        )
    }
    frames = table("sequence,a,label\ns,1,x\ns,2,x\nt,3,y\nu,1,x\nu,2,x\nv,3,y\n", scaler="none")
    assert frames.warnings["validation"] == (
        "2 of the 2 sequences of the validation part are in the training part too, which makes its scores too good",
    )


def test_columns_without_a_use_are_told() -> None:
    corpus = table("id,text,label,more\n1,a,x,u\n2,b,y,v\n3,b,x,w\n", split=(2, 1))
    assert corpus.notes[0] == "Not used: `id`, `more`."


# Rows of frames.


LEAKING = "sequence,t,a,b,weight,target,id,label\n" + "".join(
    f"{name},{row / 2},{row % 3 + 4},{row + 7},{weight},{row % 2},{row * 5 + 2},{label}\n"
    for name, weight, label in (("s", 6.5, "x"), ("t", 7.5, "y"), ("u", 6.5, "x"), ("v", 7.5, "y"))
    for row in range(4)
)


def test_a_column_of_times_names_or_labels_is_no_feature_unless_it_is_named() -> None:
    corpus = table(LEAKING)
    assert corpus.encoding.features is not None
    assert corpus.encoding.features.names == ("a", "b")
    assert corpus.notes[:5] == (
        "`target` is named like a label, so it is not a feature; data.features would include it.",
        "`id` is named like a sequence's name, so it is not a feature; data.features would include it.",
        "`t` is named like a time and never falls, so it is not a feature; data.features would include it.",
        "`weight` is the same in all rows of a sequence, as a label is, so it is not a feature; data.features would "
        "include it.",
        "Features of a frame: `a`, `b`.",
    )
    every = ("t", "a", "weight", "target", "id")
    corpus = table(LEAKING, features=every)
    assert corpus.encoding.features is not None
    assert corpus.encoding.features.names == every


def test_a_time_of_day_that_falls_within_a_sequence_is_a_feature() -> None:
    corpus = table("sequence,hour,label\ns,23,x\ns,0,x\nt,5,y\nt,6,y\nu,1,x\nv,2,y\n")
    assert corpus.encoding.features is not None
    assert corpus.encoding.features.names == ("hour",)


def test_a_table_of_times_and_labels_alone_has_no_features() -> None:
    error = refused("sequence,t,label\ns,1,x\ns,2,x\nt,1,y\nt,2,y\n")
    assert "has no column of numbers besides labels, sequences and times" in str(error)


def test_rows_of_one_name_are_a_sequence() -> None:
    corpus = table(FRAMES, scaler="none")
    assert inputs_of(corpus) == [[[1, 10], [2, 20]], [[3, 30]], [[5, 40], [7, 60]], [[9, 90]]]
    assert corpus.sequences.names == ("s", "t", "u", "v")
    assert corpus.sequences.targets.tolist() == [0, 1, 0, 1]
    assert corpus.encoding.features is not None
    assert corpus.encoding.features.names == ("a", "b")
    assert corpus.sequences.inputs.dtype == np.float32
    assert "Sequences have 1 to 2 frames." in corpus.notes


@pytest.mark.parametrize(
    ("scaler", "centre", "spread"), [("standard", 2.0, (2 / 3) ** 0.5), ("min-max", 1.0, 2.0), ("none", 0.0, 1.0)]
)
def test_features_are_scaled_by_the_rows_of_the_training_part(scaler: str, centre: float, spread: float) -> None:
    corpus = table(FRAMES, scaler=scaler, features=("a",))  # training rows: 1, 2, 3
    assert corpus.encoding.features is not None
    assert corpus.encoding.features.centre == pytest.approx((centre,))
    assert corpus.encoding.features.spread == pytest.approx((spread,))
    expected = (np.array([1, 2, 3, 5, 7, 9]) - centre) / spread
    assert corpus.sequences.inputs[:, 0] == pytest.approx(expected.astype(np.float32))


def test_frames_are_tagged_row_by_row() -> None:
    corpus = table("sequence,a,label\ns,1,x\ns,2,y\nt,3,x\nt,4,y\n", TAGGING)
    assert corpus.sequences.targets.tolist() == [0, 1, 0, 1]
    assert corpus.sequences.target(1).tolist() == [0, 1]
    assert "Steps by label: x 2, y 2." in corpus.notes


def test_a_sequence_to_a_number() -> None:
    corpus = table("sequence,a,label\ns,1,0.5\ns,2,0.5\nt,3,2\n", REGRESSION)
    assert corpus.sequences.targets.tolist() == [[0.5], [2.0]]


def test_a_recording_is_cut_into_windows_side_by_side() -> None:
    corpus = table(RECORDING, window=3, scaler="none")
    assert corpus.sequences.starts.tolist() == [0, 3, 6, 9]
    assert corpus.sequences.lengths.tolist() == [3, 3, 3, 3]
    assert corpus.sequences.names[1] == "lines 5 to 7"
    assert corpus.parts == {"training": (0, 2), "validation": (2, 4)}


def test_a_window_has_the_label_of_its_last_row() -> None:
    corpus = table(RECORDING, window=4, stride=2, scaler="none", split=(0.4, 0.6))  # rows 0, 5, 9 are y
    assert corpus.sequences.starts.tolist() == [0, 2, 4, 6, 8]
    assert [corpus.encoding.labels[number] for number in corpus.sequences.targets] == ["x", "y", "x", "y", "x"]


def test_no_frame_is_in_two_parts() -> None:
    corpus = table(RECORDING, window=4, stride=2, split=(0.4, 0.6))
    assert corpus.parts == {"training": (0, 2), "validation": (3, 5)}
    training, validation = corpus.part("training"), corpus.part("validation")
    assert (training.starts + training.lengths).max() <= validation.starts.min()
    assert "1 window is left out: they have frames in common with the part before." in corpus.notes


def test_windows_share_their_rows_without_a_copy() -> None:
    corpus = table(RECORDING, window=3, stride=1, split=(0.4, 0.6))
    assert len(corpus.sequences.inputs) == 12
    assert np.shares_memory(corpus.sequences.input(0), corpus.sequences.input(1))


def test_windows_stay_within_a_sequence() -> None:
    rows = "".join(f"{name},{row},{'xxxy'[row % 4]}\n" for name in "st" for row in range(5))
    corpus = table("sequence,a,label\n" + rows, window=2, scaler="none")
    assert corpus.sequences.starts.tolist() == [0, 2, 5, 7]
    assert corpus.sequences.names[2] == "t: lines 7 to 8"
    assert "2 rows do not fill a whole window of 2: not used." in corpus.notes


def test_windows_are_scaled_by_the_rows_of_training_windows() -> None:
    corpus = table(RECORDING, window=3)  # training rows 0 to 5
    assert corpus.encoding.features is not None
    assert corpus.encoding.features.centre == (2.5,)


def test_a_parquet_file_is_read_alike() -> None:
    frame = pl.DataFrame({"sequence": ["s", "s", "t", "t"], "a": [1.0, 2, 3, 4], "label": ["x", "x", "y", "y"]})
    frame.write_parquet("a.parquet")
    layout = Layout(split=(2,), split_by="order", scaler="none")
    corpus = open_table("a.parquet", layout, CLASSIFICATION, Path.cwd())
    assert inputs_of(corpus) == [[[1], [2]], [[3], [4]]]
    frame.with_columns(label=pl.Series(["x", "x", "y", "z"])).write_parquet("a.parquet")
    with pytest.raises(DataError, match=r"a.parquet: row 4, column `label`: `z`, but `y` before it"):
        open_table("a.parquet", Layout(split=(2,)), CLASSIFICATION, Path.cwd())


# A run's own encoding.


def test_a_run_reads_another_file_as_one_part() -> None:
    own = table(TEXTS)
    corpus = table("text,label\ncc,y\nab,x\n", encoding=own.encoding)
    assert corpus.parts == {"validation": (0, 2)}
    assert corpus.encoding == own.encoding
    assert corpus.sequences.inputs.tolist() == [3, 3, 1, 2]
    assert corpus.sequences.names == ("cc", "ab")
    assert corpus.sequences.targets.tolist() == [1, 0]


@pytest.mark.parametrize("content", ["text\nab\nba\n", "text,label\nab,\nba,\n"])
def test_labels_may_be_absent_where_a_run_predicts(content: str) -> None:
    corpus = table(content, encoding=table(TEXTS).encoding)
    assert not corpus.is_labelled
    assert corpus.sequences.targets.tolist() == [UNLABELLED, UNLABELLED]
    tagged = table(content, TAGGING, encoding=table("text,label\nab,xy\na,x\n", TAGGING).encoding)
    assert tagged.sequences.targets.tolist() == [UNLABELLED] * 4


def test_a_named_column_of_labels_may_be_absent_where_a_run_predicts() -> None:
    own = table("text,tone\nab,x\nb,y\na,x\n", split=(2, 1), label=("tone",))
    assert not table("text\nab\n", encoding=own.encoding, label=("tone",)).is_labelled


def test_numbers_may_be_absent_where_a_run_predicts() -> None:
    own = table("sequence,a,label\ns,1,0.5\nt,3,2\n", REGRESSION)
    corpus = table("sequence,a\np,1\np,3\n", REGRESSION, encoding=own.encoding)
    assert np.isnan(corpus.sequences.targets).all()
    assert corpus.sequences.targets.shape == (1, 1)
    assert corpus.sequences.inputs.tolist() == own.encoding.features.scaled(np.array([[1.0], [3.0]])).tolist()  # type: ignore[union-attr]


def test_some_labels_alone_are_refused_where_a_run_reads() -> None:
    error = refused("text,label\nab,x\nba,\n", encoding=table(TEXTS).encoding)
    assert str(error).endswith("line 3, column `label`: no label")


def test_characters_unknown_to_the_run_are_counted_and_read_as_unknown() -> None:
    corpus = table("text,label\nab,x\nbaz,y\nzéb,y\n", encoding=table(TEXTS).encoding)
    assert corpus.sequences.inputs.tolist() == [1, 2, 2, 1, 3, 3, 3, 2]
    assert corpus.unknown == {
        "validation": "2 of 3 texts have symbols that the run does not know, read as unknown: 'z', 'é'."
    }


def test_labels_that_are_not_needed_are_not_read() -> None:
    Path("a.csv").write_text("id,text,label\n7,ab,neverseen\n8,ba,\n", encoding="utf-8")
    own = table(TEXTS).encoding
    Path("a.csv").write_text("id,text,label\n7,ab,neverseen\n8,ba,\n", encoding="utf-8")
    corpus = open_table("a.csv", Layout(), CLASSIFICATION, None, encoding=own, with_labels=False)
    assert not corpus.is_labelled
    assert corpus.sequences.columns == {"id": ("7", "8"), "label": ("neverseen", "")}


def test_of_frames_columns_that_are_constant_within_a_sequence_are_kept() -> None:
    own = table(FRAMES).encoding
    Path("a.csv").write_text("sequence,a,b,who\ns,1,2,me\ns,2,2,me\nt,3,4,you\n", encoding="utf-8")
    corpus = open_table("a.csv", Layout(), CLASSIFICATION, None, encoding=own, with_labels=False)
    assert corpus.sequences.columns == {"b": ("2", "4"), "who": ("me", "you")}


@pytest.mark.parametrize(("task", "content"), [(CLASSIFICATION, "ab,w"), (TAGGING, "ab,xw")])
def test_a_label_unknown_to_the_run_is_located(task: str, content: str) -> None:
    own = table("text,label\nab,xy\nab,yx\n", TAGGING) if task == TAGGING else table(TEXTS)
    error = refused(f"text,label\n{content}\n", task, encoding=own.encoding)
    assert str(error).endswith("a.csv: line 2, column `label`: `w` is not a label of the run")
    assert error.hint == "the run knows `x`, `y`"


def test_a_run_misses_its_columns() -> None:
    own = table(FRAMES)
    error = refused("sequence,a,label\ns,1,x\n", encoding=own.encoding)
    assert str(error).endswith("a.csv has no column `b`, which the run's data.features names")
    assert "has no column `text`, which the run reads" in str(
        refused("word,label\na,x\n", encoding=table(TEXTS).encoding)
    )


# What is refused.


@pytest.mark.parametrize(
    ("content", "task", "message", "hint"),
    [
        ("text,label\n", CLASSIFICATION, " has a header but no rows", None),
        ("text,label\na,x\n,y\n", CLASSIFICATION, ": line 3, column `text`: the text is empty", "delete the row"),
        ("text,label\na,x\nb,\n", CLASSIFICATION, ": line 3, column `label`: no label", "delete the row"),
        ("text,label\na,\nb,x\n", TAGGING, ": line 2, column `label`: no label", "write it"),
        ("text,label\na,1\nb,\n", REGRESSION, ": line 3, column `label`: no number", "fill it in"),
        (
            "text,label\na,1\nb,one\n",
            REGRESSION,
            ": line 3, column `label`: `one` is not a number",
            "correct it, delete the sequence",
        ),
        (
            "text,label\na,x\nb,x\n",
            CLASSIFICATION,
            ", column `label`: every label of the training part is `x`, so there is nothing to learn",
            "at least two labels",
        ),
        (
            "text,label\na,x\nb,y\nc,x\nd,z\n",
            CLASSIFICATION,
            ": line 5, column `label`: `z` is a label of the validation part that the training part never has",
            "split at random, so that every part has all labels: data.split_by=random; training has `x`, `y`",
        ),
        (
            "text,label\nab,xy\nab,zx\n",
            TAGGING,
            ": line 3, column `label`: `z` is a label of the validation part that the training part never has",
            "correct it",
        ),
        (
            "word,label\na,x\n",
            CLASSIFICATION,
            " has neither a column of texts nor one that names the",
            "data.text=NAME",
        ),
        (
            "text,kind\na,x\n",
            CLASSIFICATION,
            " has no column of labels: none is named label, labels or",
            "data.label=NAME",
        ),
        (
            "sequence,label\ns,x\n",
            CLASSIFICATION,
            " has no column of numbers besides labels, sequences and times",
            "data.features=[NAME]",
        ),
        ("a,label\n1,x\n2,y\n", CLASSIFICATION, " has neither a column of texts nor one that names", "data.window=50"),
        (
            "sequence,a,label\ns,1,x\ns,2,y\nt,3,y\n",
            CLASSIFICATION,
            ": line 3, column `label`: `y`, but `x` before it, and both in sequence `s`",
            "a label for each row is task.type=tagging",
        ),
        (
            "sequence,a,label\ns,1,1\ns,2,3\nt,1,1\n",
            REGRESSION,
            ": line 3, column `label`: `3`, but `1` before it, and both in sequence `s`",
            "write one number in all rows",
        ),
        (
            "sequence,a,label\ns,1,x\nt,2,y\ns,3,x\n",
            CLASSIFICATION,
            ": line 4, column `sequence`: sequence `s` continues here, but other rows are between it and its beginning "
            "(line 2)",
            "sort them",
        ),
        (
            "sequence,a,label\ns,1,x\n,2,y\n",
            CLASSIFICATION,
            ": line 3, column `sequence`: no sequence is named",
            "name it",
        ),
        ("sequence,a,label\ns,1,x\nt,,y\n", CLASSIFICATION, ": line 3, column `a`: no number", "fill it in"),
        ("sequence,a,label\ns,1,x\nt,inf,y\n", CLASSIFICATION, ": line 3, column `a`: inf is infinite", "correct it"),
        ("text,label\na,b,x\n", CLASSIFICATION, ": line 2: 3 fields, but the header (line 1) has 2", "quotation marks"),
        (
            "text,label\na,x\n",
            CLASSIFICATION,
            ": data.split leaves no training part of 1 sequences; increase",
            "more in the",
        ),
        (
            "sequence,a,label\ns,1,x\n",
            "generation-from-label",
            " has no column of texts, which task.type",
            "data.text=NAME",
        ),
    ],
)
def test_what_is_wrong_is_named_with_its_place(content: str, task: str, message: str, hint: str | None) -> None:
    error = refused(content, task)
    assert str(error).startswith(f"{Path('a.csv').resolve()}{message}")
    assert (error.hint is None) if hint is None else (hint in str(error.hint))


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        ({"text": "txt"}, "has no column `txt`, which data.text names; did you mean `text`?"),
        ({"label": ("lable",)}, "has no column `lable`, which data.label names; did you mean `label`?"),
        ({"text": "label", "label": ("label",)}, "column `label` is named by data.text and by data.label"),
        ({"text": "text", "window": 5}, "every row is a text, but data.window that every row is a frame"),
        ({"label": ("label", "text")}, "data.label names 2 columns, but task.type classification reads one of labels"),
    ],
)
def test_a_layout_that_does_not_fit_the_columns(layout: dict[str, Any], message: str) -> None:
    assert message in str(refused(TEXTS, **layout))


def test_a_window_needs_so_many_rows() -> None:
    error = refused(RECORDING, window=13)
    assert str(error).endswith("the longest sequence has 12 rows, but data.window 13 takes more")
    assert error.hint == "a smaller one, such as data.window=1; or give more rows"


def test_a_part_of_windows_that_all_reach_into_the_part_before_is_refused() -> None:
    error = refused(RECORDING, window=8, stride=1)  # five windows
    assert str(error).endswith("every window of the validation part has frames of the part before it")


def test_a_stride_alone_is_refused() -> None:
    assert "data.stride needs data.window" in str(refused(FRAMES, stride=2))


def test_a_sequence_too_long_is_refused_with_its_line() -> None:
    rows = "".join(f"t,{row},y\n" for row in range(100_001))
    error = refused("sequence,a,label\ns,1,x\n" + rows)
    assert str(error).endswith("line 3: a sequence of 100,001 frames, but one may have 100,000 at most")
    assert error.hint == "cut it into windows, say data.window=500"
    error = refused(f"text,label\na,x\n{'b' * 100_001},y\n")
    assert str(error).endswith("line 3: a sequence of 100,001 characters, but one may have 100,000 at most")


def test_one_file_at_a_time() -> None:
    with pytest.raises(DataError, match=r"data.table names 2 files, but sequences are read from one"):
        open_table(["a.csv", "b.csv"], Layout(), CLASSIFICATION, Path.cwd())


def test_a_table_that_is_not_there() -> None:
    with pytest.raises(DataError, match=r"`nowhere.csv` does not exist") as caught:
        open_table("nowhere.csv", Layout(), CLASSIFICATION, Path.cwd())
    assert "data.table=PATH/nowhere.csv" in str(caught.value.hint)


def test_an_encoding_is_the_same_after_a_journey_through_json() -> None:
    for corpus in (table(TEXTS), table(FRAMES), table("sequence,a,label\ns,1,0.5\nt,3,2\n", REGRESSION)):
        again = SequenceEncoding.from_json(corpus.encoding.to_json())
        assert again == corpus.encoding
        assert again.difference(corpus.encoding) is None


# Parts that do not stand for the rest.


def rows(labels: str) -> str:
    return "text,label\n" + "".join(f"ab{label},{label}\n" for label in labels)


SHARED = {
    part: f"{count} of the {count} texts of the {part} part are in the training part too, which makes its scores too "
    "good; data.split_by=group:text keeps equal texts in one part"
    for part, count in (("validation", 6), ("test", 7))
}


def test_a_table_sorted_by_label_is_warned_of() -> None:
    corpus = table(rows("x" * 16 + "y" * 16), split=(0.6, 0.2, 0.2))
    remedy = "the table is sorted by label: data.split_by=random shuffles the rows"
    assert corpus.warnings == {
        part: (f"the {part} part has only the label `y`, so its scores say little; {remedy}", SHARED[part])
        for part in ("validation", "test")
    }


def test_a_part_that_lacks_labels_is_warned_of() -> None:
    corpus = table(rows("xyzxyzxyxyxyzxyz"), split=(6, 6, 4))
    assert corpus.warnings["validation"][0] == (
        "the validation part lacks 1 of 3 labels: `z`; data.split_by=random shuffles the rows"
    )
    assert len(corpus.warnings["test"]) == 1
    assert table("text,label\na,x\nb,y\nc,x\nd,y\n").warnings == {}


def test_parts_of_tagging_and_of_windows_are_looked_at_too() -> None:
    content = "text,label\n" + "ab,xy\nba,yx\n" * 2 + "aa,xx\n" * 4
    corpus = table(content, TAGGING)
    assert corpus.warnings["validation"][0].startswith("the validation part has only the label `x`")
    recording = "a,label\n" + "".join(f"{row},{'x' if row < 8 else 'y'}\n" for row in range(24))
    corpus = table(recording, window=4, split=(3, 3))
    assert corpus.warnings["validation"] == ("the validation part has only the label `y`, so its scores say little",)


def test_numbers_beyond_those_of_the_training_part_are_warned_of() -> None:
    content = "text,label\n" + "".join(f"a{'b' * (row % 3)},{row}\n" for row in range(12))
    corpus = table(content, REGRESSION)
    assert corpus.warnings["validation"][0] == (
        "every `label` of the validation part lies outside the range of the training part; if the order of the rows "
        "means nothing, data.split_by=random shuffles the rows"
    )
    assert table("text,label\nab,1\nb,3\nba,3\na,1\n", REGRESSION).warnings == {}


def test_a_table_for_a_run_is_warned_of_as_a_whole() -> None:
    known = table(TEXTS).encoding
    assert table("text,label\nab,x\naa,x\n", encoding=known).warnings == {
        "validation": ("the table has only the label `x`, so its scores say little",)
    }
    assert table("text\nab\naa\n", encoding=known).warnings == {}
