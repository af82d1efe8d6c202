"""Clips found, labelled, read, split and scaled; and what is wrong with them, named by file or row."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lstmctl.config import from_mapping
from lstmctl.data.audio import AudioCorpus, open_audio
from lstmctl.data.sequences import SequenceEncoding
from lstmctl.errors import ConfigError, DataError, RunError
from tests.sounds import RATE, tone, wave_bytes, write_beeps, write_glides

PATTERN = "{label}_{speaker}_{take}"


def opened(path: Path | str, task: str = "classification", **data: Any) -> AudioCorpus:
    """Open a folder or table as a config would."""
    settings = from_mapping({"task": {"type": task}, "data": {"audio": str(path), **data}})
    return open_audio([str(path)], settings.data.model_dump(), task, None)


def folders(root: Path, **clips: int) -> Path:
    """Write so many tones into a folder for each label, each label at a frequency of its own."""
    for number, (label, count) in enumerate(clips.items(), start=1):
        (root / label).mkdir(parents=True)
        for take in range(count):
            (root / label / f"{take}.wav").write_bytes(wave_bytes(tone(300 * number, 0.05)))
    return root


def test_labels_come_from_folders(tmp_path: Path) -> None:
    root = folders(tmp_path / "words", yes=10, no=10)
    (root / "README.txt").write_text("not audio")
    (root / ".hidden.wav").write_text("hidden")
    corpus = opened(root)
    assert corpus.encoding.labels == ("no", "yes")
    assert corpus.parts == {"training": (0, 16), "validation": (16, 18), "test": (18, 20)}
    for number, clip in enumerate(corpus.clips):
        assert corpus.encoding.labels[int(corpus.sequences.target(number))] == clip.path.parent.name
    assert corpus.notes[-1] == "Clips by label: no 10, yes 10."
    assert corpus.warnings == {}


def test_every_part_has_its_share_of_each_label_and_speaker(tmp_path: Path) -> None:
    corpus = opened(write_glides(tmp_path / "glides"), file_names=PATTERN, split=[0.5, 0.25, 0.25])
    for part, share in (("training", 4), ("validation", 2), ("test", 2)):
        counts: dict[tuple[str | None, str | None], int] = {}
        for clip in corpus.clips[slice(*corpus.parts[part])]:
            counts[clip.label, clip.speaker] = counts.get((clip.label, clip.speaker), 0) + 1
        assert counts == {(label, who): share for label in ("up", "down") for who in ("ann", "bob", "cyr")}


def test_speakers_stay_together(tmp_path: Path) -> None:
    glides = write_glides(tmp_path / "glides")
    corpus = opened(glides, file_names=PATTERN, split_by="speaker", split=[1, 1, 1])
    speakers = {part: {clip.speaker for clip in corpus.clips[slice(*span)]} for part, span in corpus.parts.items()}
    assert speakers == {"training": {"ann"}, "validation": {"bob"}, "test": {"cyr"}}
    assert "1 of 1 in the test part are not in the training part" in corpus.notes[-1]
    left_out = opened(glides, file_names=PATTERN, split_by="speaker", split=[0.8, 0.2], held_out="bob")
    assert {clip.speaker for clip in left_out.clips[slice(*left_out.parts["validation"])]} == {"bob"}
    assert left_out.parts == {"training": (0, 32), "validation": (32, 48)}
    with pytest.raises(DataError, match="names `bop`, which is not a speaker") as caught:
        opened(glides, file_names=PATTERN, split_by="speaker", held_out="bop")
    assert caught.value.hint == "did you mean bob?"
    with pytest.raises(DataError, match="needs the speaker of every clip"):
        opened(folders(tmp_path / "words", yes=9, no=9), split_by="speaker")


def test_files_are_held_out_by_patterns(tmp_path: Path) -> None:
    glides = write_glides(tmp_path / "glides")
    corpus = opened(glides, file_names=PATTERN, split=[0.9, 0.1], held_out=["*_[01].wav", "up_ann_7.wav"])
    held = {clip.name for clip in corpus.clips[slice(*corpus.parts["validation"])]}
    assert held == {
        f"{label}_{who}_{take}.wav" for label in ("up", "down") for who in ("ann", "bob", "cyr") for take in (0, 1)
    } | {"up_ann_7.wav"}
    with pytest.raises(DataError, match="matches no file") as caught:
        opened(glides, file_names=PATTERN, held_out="*_9.wav")
    assert caught.value.hint == "the name of the first one is down_ann_0.wav"
    with pytest.raises(DataError, match="takes all clips"):
        opened(glides, file_names=PATTERN, held_out="*")


def test_parts_depend_on_names_alone(tmp_path: Path) -> None:
    first = opened(write_glides(tmp_path / "one"), file_names=PATTERN)
    second = opened(write_glides(tmp_path / "two"), file_names=PATTERN)
    assert [clip.name for clip in first.clips] == [clip.name for clip in second.clips]
    assert first.fingerprint == second.fingerprint
    changed = tmp_path / "two" / "up_ann_0.wav"
    changed.write_bytes(wave_bytes(tone(440)))
    assert opened(tmp_path / "two", file_names=PATTERN).fingerprint["sha256"] != first.fingerprint["sha256"]


def test_labels_come_from_a_table(tmp_path: Path) -> None:
    folders(tmp_path / "clips", a=10, b=10)
    rows = [
        f"clips/{folder}/{take}.wav,{label},{take}"
        for folder, label in (("a", "yes"), ("b", "no"))
        for take in range(10)
    ]
    table = tmp_path / "words.csv"
    table.write_text("\n".join(["file,label,speaker", *rows]) + "\n", encoding="utf-8")
    corpus = opened(table, split_by="speaker")
    assert corpus.encoding.labels == ("no", "yes")
    assert {clip.speaker for clip in corpus.clips} == set("0123456789")
    table.write_text("file,label\nclips/a/0.wav,yes\nclips/a/77.wav,no\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"words\.csv: line 3: .*77\.wav does not exist"):
        opened(table)
    table.write_text("file,label\nclips/a/0.wav,yes\nclips/a/0.wav,no\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"line 3: `clips/a/0\.wav` again; it already has line 2"):
        opened(table)
    table.write_text("file,label\nclips/a/0.wav,yes\nclips/a/1.wav,\n", encoding="utf-8")
    with pytest.raises(DataError, match="line 3, column `label`: empty"):
        opened(table)
    table.write_text("name,label\nclips/a/0.wav,yes\n", encoding="utf-8")
    with pytest.raises(DataError, match="has no column `file`"):
        opened(table)


def test_frames_have_the_label_of_their_stretch(tmp_path: Path) -> None:
    table = write_beeps(tmp_path / "beeps")
    corpus = opened(table, "tagging")
    assert corpus.encoding.labels == ("background", "beep")
    rows = {row.split(",")[0]: row.split(",") for row in table.read_text().splitlines()[1:]}
    for number, clip in enumerate(corpus.clips):
        _, start, end, _ = rows[clip.path.name]
        inside = np.flatnonzero(corpus.sequences.target(number) == 1)
        assert inside.tolist() == list(range(round(float(start) * 100), round(float(end) * 100)))
    cases = {
        "0.wav,0.2,0.1,beep": "from `0.2` to `0.1` is not a stretch of time",
        "0.wav,0.1,0.2,beep\n0.wav,0.15,0.3,beep": "from 0.15 s it overlaps the stretch of `0.wav` up to 0.2 s",
        "0.wav,0.1,0.9,beep\n1.wav,0.1,0.2,beep": r"the stretch ends at 0.9 s, but 0\.wav lasts 0.3 s",
    }
    for rows_of_table, says in cases.items():
        table.write_text(f"file,start,end,label\n{rows_of_table}\n", encoding="utf-8")
        with pytest.raises(DataError, match=says):
            opened(table, "tagging", split=[1, 1])
    with pytest.raises(DataError, match="needs the times of its labels"):
        opened(tmp_path / "beeps", "tagging")


def test_rates_and_channels_are_made_alike(tmp_path: Path) -> None:
    root = folders(tmp_path / "words", low=8, high=8)
    fast, wide = tone(300, 0.05, 48_000), np.stack([tone(600, 0.05)] * 2, 1)
    (root / "low" / "0.wav").write_bytes(wave_bytes(fast, 48_000, "24"))
    (root / "high" / "0.wav").write_bytes(wave_bytes(wide))
    corpus = opened(root, scaler="none", centre="none")
    assert corpus.encoding.rate == RATE
    assert corpus.spectra.names[0].endswith(" Hz")
    note = corpus.notes[0]
    assert note == (
        "Clips have 6 frames, one every 10 ms, at 4,000 Hz; 1 of 48,000 Hz were resampled; 1 with several channels are "
        "read as their mean."
    )
    frames = {clip.name: corpus.sequences.input(number) for number, clip in enumerate(corpus.clips)}
    np.testing.assert_allclose(frames["high/0.wav"], frames["high/1.wav"], atol=1e-5)
    loud = frames["low/1.wav"] > frames["low/1.wav"].max() - 5
    np.testing.assert_allclose(frames["low/0.wav"][loud], frames["low/1.wav"][loud], atol=0.2)
    low = opened(root, rate=8000)
    assert "15 of them have a lower rate and so nothing in the upper bands" in low.notes[0]


def test_scales_come_from_the_training_part_alone(tmp_path: Path) -> None:
    glides = write_glides(tmp_path / "glides")
    corpus = opened(glides, file_names=PATTERN, split=[0.5, 0.25, 0.25])
    part = corpus.part("training")
    frames = np.concatenate([part.input(number) for number in range(len(part))])
    np.testing.assert_allclose(frames.mean(0), 0, atol=1e-4)
    np.testing.assert_allclose(frames.std(0), 1, atol=1e-4)


def test_what_cannot_be_learnt_from_is_named(tmp_path: Path) -> None:
    def refused(says: str, path: Path, task: str = "classification", **data: Any) -> str | None:
        with pytest.raises(DataError, match=says) as caught:
            opened(path, task, **data)
        return caught.value.hint

    (tmp_path / "empty").mkdir()
    refused(r"contains no \.wav, \.flac or \.ogg file", tmp_path / "empty")
    refused("does not exist", tmp_path / "missing")
    one = folders(tmp_path / "one", yes=10)
    assert refused("every label of the training part is `yes`", one) == (
        "give clips of at least two labels; folders of labels are inside the folder that data.audio names"
    )
    refused("it is not in a folder named after one", one / "yes")
    refused(r"0\.wav does not match data\.file_names `\{label\}_\{take\}`", one, file_names="{label}_{take}")
    glides = write_glides(tmp_path / "glides", 2)
    shutil.copy(glides / "up_ann_0.wav", glides / "Up_dan_0.wav")
    refused("label `up` differs from `Up` only in case", glides, file_names=PATTERN)
    words = folders(tmp_path / "words", yes=4, no=4)
    (words / "yes" / "0.wav").write_bytes(wave_bytes(tone(440, 600, 1000), 1000))
    assert refused(r"0\.wav lasts 600\.0 s, but data\.longest is 60 s", words) == (
        "cut it into clips, or allow it (it takes more memory): data.longest=600"
    )
    (words / "yes" / "0.wav").write_text("This is text.")
    refused(r"0\.wav is text, not audio", words)
    refused("leaves no validation part", folders(tmp_path / "few", yes=1, no=1))


def test_silent_clips_and_missing_labels_are_told(tmp_path: Path) -> None:
    root = folders(tmp_path / "words", yes=10, no=10)
    for take in range(10):
        (root / "no" / f"{take}.wav").write_bytes(wave_bytes(np.zeros(200)))
    corpus = opened(root)
    (silent,) = (clip.name for clip in corpus.clips[slice(*corpus.parts["test"])] if clip.label == "no")
    assert corpus.warnings["test"] == (f"1 clip is silent in the test part, with all samples equal: `{silent}`",)
    assert corpus.warnings["training"][0].startswith("8 clips are silent in the training part")
    glides = write_glides(tmp_path / "glides")
    for file in glides.glob("down_cyr_*.wav"):
        file.unlink()
    lacking = opened(glides, file_names=PATTERN, split_by="speaker", split=[1, 1, 1])
    assert lacking.warnings == {"test": ("the test part has only the label `up`, so its scores say little",)}
    three = folders(tmp_path / "three", yes=4, no=4, maybe=4)
    with pytest.raises(DataError, match="`maybe` is not a label of the training part"):
        opened(three, held_out="maybe/*", split=[0.9, 0.1])


def test_a_config_says_what_is_wrong_with_it() -> None:
    cases: dict[str, tuple[dict[str, Any], str]] = {
        "no label": ({"file_names": "{speaker}_{take}"}, "does not say where the label is"),
        "twice": ({"file_names": "{label}_{label}"}, "does not say where the label is"),
        "adjacent": ({"file_names": "{label}{take}"}, "put something between two fields"),
        "number": ({"file_names": 3}, "is not a pattern"),
        "held out": ({"held_out": []}, "does not name files or speakers"),
        "coefficients": ({"frames": "mfcc", "coefficients": 41}, "is more than data.bands; use at most 40"),
        "split by": ({"split_by": "word"}, "clip"),
    }
    for data, says in cases.values():
        with pytest.raises(ConfigError, match=says):
            from_mapping({"task": {"type": "classification"}, "data": {"audio": "clips", **data}})
    with pytest.raises(ConfigError, match=r"task\.type regression does not read data\.audio"):
        from_mapping({"task": {"type": "regression"}, "data": {"audio": "clips"}})


def test_an_encoding_of_sound_is_read_again(tmp_path: Path) -> None:
    corpus = opened(write_glides(tmp_path / "glides", 4), file_names=PATTERN)
    again = SequenceEncoding.from_json(json.loads(json.dumps(corpus.encoding.to_json())))
    assert again == corpus.encoding
    assert again.rate == RATE
    assert again.difference(replace(again, rate=8000)) == "another sampling rate than this data: 8000 Hz, not 4000"
    with pytest.raises(RunError, match="a sampling rate that is not a whole number"):
        SequenceEncoding.from_json({**corpus.encoding.to_json(), "rate": "4000"})
