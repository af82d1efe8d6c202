"""Text as it comes: found or not, readable or not, and nothing of it lost."""

from __future__ import annotations

import gzip
import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from lstmctl import load_run, train
from lstmctl.data.text import TextCorpus, open_text
from lstmctl.errors import DataError

SPLIT = (0.5, 0.5)


def open_bytes(content: bytes, symbols: str = "characters") -> TextCorpus:
    Path("a.txt").write_bytes(content)
    return open_text("a.txt", symbols, SPLIT, Path.cwd())


def refused(content: bytes, symbols: str = "characters") -> DataError:
    with pytest.raises(DataError) as caught:
        open_bytes(content, symbols)
    return caught.value


def text_of(corpus: TextCorpus) -> str:
    return corpus.encoding.decode(corpus.symbols)


def test_an_empty_corpus_is_named() -> None:
    for content in (b"", b"\xef\xbb\xbf"):
        assert str(refused(content)) == f"{Path('a.txt').resolve()} is empty"


def test_one_distinct_symbol_leaves_nothing_to_predict() -> None:
    error = refused(b"\n\n\n\n")
    assert str(error) == f"{Path('a.txt').resolve()} has only one distinct symbol, \\n; there is nothing to predict"


@pytest.mark.parametrize(
    ("content", "line", "offset", "byte"),
    [
        (b"caf\xe9", 1, 3, 0xE9),
        (b"one\ntwo\nthr\xffee\n", 3, 11, 0xFF),
        ("äöü\n".encode() + b"\x80", 2, 7, 0x80),
        (b"cut short \xe2\x82", 1, 10, 0xE2),
        (b"\xef\xbb\xbfab\n\xc3(", 2, 6, 0xC3),  # the mark at the start counts: editors count the file's bytes
        (b"surrogate \xed\xa0\x80", 1, 10, 0xED),
        (b"overlong \xc0\xaf", 1, 9, 0xC0),
    ],
)
def test_invalid_utf8_is_located(content: bytes, line: int, offset: int, byte: int) -> None:
    error = refused(content)
    path = Path("a.txt").resolve()
    assert str(error) == f"{path}: line {line}, byte offset {offset}: 0x{byte:02x} is not UTF-8"
    assert str(error.hint).endswith("; or train on bytes: data.symbols=bytes")
    assert bytes(open_bytes(content, "bytes").symbols) == content


def converted(hint: str, text: str) -> None:
    """The command that a hint names makes UTF-8 of the file."""
    if shutil.which("iconv") is None:
        pytest.skip("this system has no iconv")
    line = hint[hint.index("iconv ") :].partition("; or ")[0]
    subprocess.run(line, shell=True, check=True)
    assert Path(shlex.split(line)[-1]).read_bytes().decode("utf-8-sig") == text


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("windows-1252", "Il a dit « c’est l’été », où le café coûte 3 €, naïve – voilà…"),
        ("windows-1252", "Größe und Straße, schön. Übermäßig"),
        ("windows-1252", "El niño comió ¿qué? mañana"),
        ("windows-1252", "it’s 100 °C ± 2"),
        ("windows-1250", "Příliš žluťoučký kůň úpěl ďábelské ódy"),
        ("windows-1250", "Zażółć gęślą jaźń, wszystko w porządku. Łódź"),
        ("windows-1250", "Árvíztűrő tükörfúrógép"),
        ("windows-1250", "A nő az erdőben sétált, és gyönyörű virágokat szedett."),
        ("windows-1250", "Dziękuję bardzo, miło mi pana poznać."),
        ("windows-1250", "Într-o zi frumoasă, fata a mers la şcoală."),
        ("windows-1250", "Dobrý deň, ako sa máte? Ľudia čakajú na vlak."),
        ("windows-1252", "Þetta er æðislegt, sagði maðurinn í Reykjavík."),
        ("windows-1252", "As nações não têm condições de negociação."),
        ("windows-1252", "The price is £20 or €25."),
        ("windows-1252", "id,name\n1,José\n2,Zoë\n3,Jürgen\n4,Bjørn\n5,João"),
        ("windows-1251", "Съешь ещё этих мягких французских булок, да выпей чаю."),
        ("koi8-r", "Съешь ещё этих мягких французских булок, да выпей чаю."),
        ("gb18030", "我在希腊长大,我会说流利的希腊语。\n天气很好。今天我们去公园。"),
        ("big5", "我在希臘長大,我會說流利的希臘語。天氣很好,今天我們去公園。"),
        ("euc-jp", "私はギリシャで育ち、ギリシャ語を流暢に話します。今日は天気がいいです。"),
        ("shift_jis", "私はギリシャで育ち、ギリシャ語を流暢に話します。今日は天気がいいです。"),
        ("euc-kr", "나는 그리스에서 자랐고 그리스어를 유창하게 합니다. 오늘 날씨가 좋습니다."),
    ],
)
@pytest.mark.parametrize("before", [0, 50_000])
def test_the_hint_converts_from_the_encoding_that_a_text_is_in(encoding: str, text: str, before: int) -> None:
    text = "plain\n" * before + text
    hint = str(refused(text.encode(encoding)).hint)
    assert f"it seems to be {encoding}: " in hint
    converted(hint, text)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize(
    "text",
    [
        "Größe und Straße",
        "Привет, как дела?",
        "Καλημέρα, τι κάνεις;",
        "我在希腊长大, 我会说流利的希腊语, 12 34",
        "สวัสดีครับ วันนี้อากาศดี",
    ],
)
def test_utf_16_without_a_mark_is_recognised_in_any_alphabet(text: str, encoding: str) -> None:
    error = refused(text.encode(encoding))
    assert str(error) == f"{Path('a.txt').resolve()} is UTF-16, not UTF-8 text"
    converted(str(error.hint), text)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        ("hello there, you".encode("utf-16"), "UTF-16"),
        ("hello there, you".encode("utf-16-le"), "UTF-16"),
        ("hello there, you".encode("utf-16-be"), "UTF-16"),
        ("hello there, you".encode("utf-32"), "UTF-32"),
        (gzip.compress(b"hello there, you", mtime=0), "gzip"),
    ],
)
def test_other_formats_are_recognised(content: bytes, kind: str) -> None:
    error = refused(content)
    assert str(error) == f"{Path('a.txt').resolve()} is {kind}, not UTF-8 text"
    if kind == "gzip":
        assert error.hint == "extract the text, as a file in UTF-8; or train on bytes: data.symbols=bytes"
    else:
        converted(str(error.hint), "hello there, you")


@pytest.mark.parametrize("text", ["BZhang went home.", "%PDF is how such files begin.", "PK\x03\x04 and so on"])
def test_text_that_begins_like_another_format_is_text(text: str) -> None:
    assert text_of(open_bytes(text.encode())) == text


@pytest.mark.parametrize(
    "text",
    [
        "zero\0bytes\0here",
        "line\u2028separator\u2029and\x85next\x0bline\x0cfeed",
        "e\u0301 is not é",
        "👩\u200d👩\u200d👧 and 🇨🇭 and \U0010ffff",
        "only\rcarriage\rreturns\r",
        "dos\r\nlines\r\n",
        "no\ufeffmark\ufffd inside",
        " \t trailing \n\n",
    ],
)
def test_every_character_is_kept(text: str) -> None:
    corpus = open_bytes(text.encode())
    assert text_of(corpus) == text
    assert len(corpus) == len(text)
    assert corpus.encoding.symbols == "".join(sorted(set(text)))


@pytest.mark.parametrize("count", [255, 257, 66_000])
def test_vocabularies_of_any_size_train_and_write(count: int) -> None:
    """Beyond 256 and 65,536 symbols the numbers need wider integers."""
    points = [point for point in range(32, 80_000) if not 0xD800 <= point < 0xE000][:count]
    text = "".join(map(chr, points))
    corpus = open_bytes(text.encode())
    assert corpus.symbols.itemsize == {255: 1, 257: 2, 66_000: 4}[count]
    assert text_of(corpus) == text
    if count == 257:
        settings = {"hidden": 4, "embedding": 4}
        training = {"budget": "2 steps", "batch": 2, "window": 8, "precision": "float32"}
        run = train({"data": {"text": "a.txt"}, "model": settings, "training": training})
        assert set(run.generate(length=20)[0].text) <= set(text)


def test_hard_text_is_trained_on_and_written(small_config: Path) -> None:
    Path("small.txt").write_bytes("a\0\u2028e\u0301\r👩\r\n".encode() * 200)
    run = train(small_config, ["training.budget=4 steps"])
    loaded = load_run(run.path)
    assert loaded.task.encoding.symbols == "\0\n\ra" + "e\u0301\u2028👩"
    prompt = "\0\u2028👩\r"
    written = loaded.generate(prompt, length=30)[0]
    assert written.prompt == prompt
    assert len(written.text) == 30


def test_a_byte_order_mark_is_not_text_but_a_byte() -> None:
    content = b"\xef\xbb\xbfhello"
    assert text_of(open_bytes(content)) == "hello"
    assert bytes(open_bytes(content, "bytes").symbols) == content


def test_files_are_joined_in_order_with_a_line_break_where_none_is() -> None:
    for name, content in {"1": b"one", "2": b"two\n", "3": b"", "4": b"four\r", "5": b"\xef\xbb\xbffive"}.items():
        Path(name).write_bytes(content)
    assert text_of(open_text(["1", "2", "3", "4", "5"], "characters", SPLIT, None)) == "one\ntwo\nfour\rfive"
    assert text_of(open_text(["2", "1", "3"], "characters", SPLIT, None)) == "two\none"
    assert text_of(open_text(["1", "1"], "characters", SPLIT, None)) == "one"


def test_a_folder_means_its_text_files_in_order() -> None:
    for name in ("b/z.txt", "b/a.txt", "b/deep/m.txt", "b/.hidden.txt", "b/.git/x.txt", "b/notes.md"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(name)
    corpus = open_text("b", "characters", SPLIT, None)
    assert text_of(corpus) == "b/a.txt\nb/deep/m.txt\nb/z.txt"
    assert [path.name for path in corpus.files] == ["a.txt", "m.txt", "z.txt"]
    assert corpus.names == (str(Path("b").resolve()),)


def test_the_fingerprint_is_that_of_the_content() -> None:
    first = open_bytes(b"hello\n").fingerprint
    assert first == {
        "sha256": "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03",  # sha256sum of it
        "bytes": 6,
        "symbols": 6,
    }
    assert open_bytes(b"hello\n").fingerprint == first
    assert open_bytes(b"hellO\n").fingerprint["sha256"] != first["sha256"]
    assert open_bytes("hé".encode()).fingerprint["bytes"] == 3
    assert open_bytes("hé".encode()).fingerprint["symbols"] == 2


def test_a_named_pipe_is_refused_without_waiting_for_it() -> None:
    os.mkfifo("pipe.txt")
    with pytest.raises(DataError) as caught:
        open_text("pipe.txt", "characters", SPLIT, None)
    assert str(caught.value) == (f"{Path('pipe.txt').resolve()} is not a regular file (p); use a text file or a folder")


def test_a_folder_without_text_is_named() -> None:
    Path("empty").mkdir()
    with pytest.raises(DataError, match=r"empty is a folder without any \.txt file$"):
        open_text("empty", "characters", SPLIT, None)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_says_so() -> None:
    Path("a.txt").write_text("hello")
    Path("a.txt").chmod(0)
    with pytest.raises(DataError, match=r"a\.txt cannot be read: Permission denied$"):
        open_text("a.txt", "characters", SPLIT, None)


def test_symbols_the_run_does_not_know_are_read_as_the_nearest_and_counted() -> None:
    known = open_bytes(b"abc\n").encoding
    Path("b.txt").write_text("abc\nÂbz\u4e00", encoding="utf-8")
    found = open_text("b.txt", "characters", None, None, encoding=known)
    assert known.decode(found.symbols) == "abc\nab\n\n"
    assert found.unknown == {
        "validation": "3 of 8 characters are unknown to the run, and are read and scored as the nearest known ones: "
        "'z', 'Â', '\u4e00'."
    }


@pytest.mark.parametrize(("shape", "needed"), [("many-to-many", 4 * 50), ("many-to-one", 4 + 50)])
@pytest.mark.parametrize("length", [2, 51])
def test_too_short_for_one_step_says_what_is_needed_and_what_fits(
    shape: str, needed: int, length: int, small_config: Path
) -> None:
    Path("small.txt").write_text(("abcdefgh" * 100)[: length + 300])
    settings = [f"task.shape={shape}", f"data.split=[{length}, 300]", "training.window=50", "training.budget=1 steps"]
    with pytest.raises(DataError) as caught:
        train(small_config, settings)
    assert str(caught.value) == (
        f"the training part has {length} symbols, but training.batch=4 with training.window=50 needs {needed}"
    )
    assert caught.value.hint is not None
    fitting = caught.value.hint.removesuffix(" would fit").split()
    keys = {setting.partition("=")[0] for setting in fitting}
    others = [setting for setting in settings if setting.partition("=")[0] not in keys]
    assert train(small_config, [*others, *fitting]).status == "finished"


def test_a_part_too_short_to_score_says_what_is_needed_and_what_fits(small_config: Path) -> None:
    settings = ["task.shape=many-to-one", "data.split=[500, 10]", "training.budget=1 steps"]
    with pytest.raises(DataError) as caught:
        train(small_config, settings)
    assert str(caught.value) == "a part of 10 characters is too short to score; 17 are needed"
    assert caught.value.hint is not None
    fitting, _, rest = caught.value.hint.partition(" would fit; or ")
    assert rest == "give it a larger share in data.split, or more text"
    assert train(small_config, [*settings, fitting]).status == "finished"
