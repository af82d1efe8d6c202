"""A config for a folder of recordings: labels from the names of its folders or files."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from lstmctl import shell
from lstmctl.data.clips import compiled
from lstmctl.data.recordings import read_recording
from lstmctl.deriving.derived import Derived, about, list_of
from lstmctl.errors import DataError
from lstmctl.words import plural

FRAMES_PER_SECOND = 120_000
"""Approximate training speed on two cores without bfloat16, for 64 bidirectional units, including the augmentation of
the sound and its spectra."""
FRAME = 0.01
"""Seconds from one frame to the next."""
MEASURED = 50
"""Number of recordings from which the mean length is estimated."""
MOST_LABELS = 200
LONGEST_EPOCHS = 60
MARKS = ("_", "-")


def derive_recordings(path: Path, files: Sequence[Path], derived: Derived) -> Derived:
    """Derive the config of a classification.

    Args:
        path: the folder, or a table of recordings.
        files: the recordings, at least one.
        derived: receives the decisions.

    Raises:
        DataError: there are too few recordings or labels, or two parts of their names could be the label; the hint has
            a command for each.
    """
    derived.decide("task.type", "classification")
    derived.decide("data.audio", str(path.resolve()))
    labels = Counter(_labels(path, files, derived)) if path.is_dir() else Counter[str]()
    if labels and (len(labels) < 2 or len(files) < 5 * len(labels)):
        raise DataError(
            f"{path} has {plural(len(files), 'recording')} with {plural(len(labels), 'label')} "
            f"({list_of(list(labels))}), too few to learn from",
            hint="give two labels or more, each with five recordings or more, in one folder per label",
        )
    several = f", {len(labels):,} labels: {list_of(sorted(labels))}" if labels else ""
    derived.what = f"{path.name}: {len(files):,} recordings{several}, to classify"
    size = 64 if len(files) < 1000 else 96
    derived.decide("data.noise", 0.1, "noise added in training, so that the room matters less")
    derived.decide("data.shift", 0.05, "seconds by which recordings are moved in training")
    derived.decide("model.cell", "gru")
    derived.decide("model.hidden", size, f"for {len(files):,} recordings")
    derived.decide("model.direction", "bidirectional")
    derived.decide("model.dropout", 0.3, "against learning the recordings by heart")
    frames = len(files) * _mean_seconds(files) / FRAME
    rate = FRAMES_PER_SECOND * 64 / size
    epochs = int(max(2, min(LONGEST_EPOCHS, derived.seconds * rate / max(1.0, frames))))
    derived.decide("training.budget", f"{epochs} epochs", about(epochs * frames / rate))
    derived.decide("training.batch", 12 if len(files) < 1000 else 32)
    derived.decide("training.learning_rate", 3e-3)
    derived.decide("training.schedule", "cosine")
    return derived


def _labels(folder: Path, files: Sequence[Path], derived: Derived) -> list[str]:
    """Return the label of each recording: the name of its folder, or a part of the file name."""
    if "data.file_names" in derived.given:
        matched = [compiled(str(derived.given["data.file_names"])).search(_name(folder, file)) for file in files]
        return [found["label"] for found in matched if found is not None and "label" in found.groupdict()]
    below = {file.parent for file in files}
    if folder not in below:
        return [file.parent.name for file in files]
    pattern = _pattern(folder, [file.stem for file in files])
    derived.decide("data.file_names", pattern, "the part of their names with few different values")
    return [found["label"] for file in files if (found := compiled(pattern).search(_name(folder, file))) is not None]


def _pattern(folder: Path, stems: Sequence[str]) -> str:
    """Return the pattern of file names such as `yes_anna_3`."""
    for mark in MARKS:
        parts = [stem.split(mark) for stem in stems]
        fields = list(zip(*parts, strict=True)) if len({len(one) for one in parts}) == 1 else []
        few = [number for number, values in enumerate(fields) if _may_be_labels(values)]
        if len(few) == 1:
            return _written(mark, len(fields), few)
        if few:
            commands = "  or  ".join(
                f"{shell.join(['lstmctl', 'train', str(folder)])} "
                + shell.setting("data.file_names", _written(mark, len(fields), order))
                for order in (few, [few[1], few[0], *few[2:]])
            )
            values = " and ".join(f"“{list_of(sorted(set(fields[number])))}”" for number in few[:2])
            raise DataError(f"{folder}: two parts of the names of its files may be the label: {values}", hint=commands)
    raise DataError(
        f"{folder} has recordings whose labels are unknown, such as {stems[0]}",
        hint="sort them into one folder per label, or set a pattern of their names: "
        + shell.setting("data.file_names", "{label}_{take}"),
    )


def _may_be_labels(values: Sequence[str]) -> bool:
    return 2 <= len(set(values)) <= min(MOST_LABELS, len(values) // 5)


def _written(mark: str, count: int, uses: Sequence[int]) -> str:
    """Return a pattern with the label and, if there are two uses, the speaker at these places."""
    names = dict(zip(uses, ("label", "speaker"), strict=False))
    return mark.join(f"{{{names.get(place, f'part{place + 1}')}}}" for place in range(count))


def _name(folder: Path, file: Path) -> str:
    return file.relative_to(folder).with_suffix("").as_posix()


def _mean_seconds(files: Sequence[Path]) -> float:
    """Return the mean length of some recordings, evenly spread over the list."""
    chosen = files[:: max(1, len(files) // MEASURED)][:MEASURED]
    read = [read_recording(file) for file in chosen]
    return sum(len(one.samples) / one.rate for one in read) / len(read)


def by_suffix(folder: Path) -> dict[str, list[Path]]:
    """Return the files below a folder by their extensions, sorted; hidden ones are left out."""
    found: dict[str, list[Path]] = {}
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            if not name.startswith("."):
                found.setdefault(Path(name).suffix.lower(), []).append(Path(place, name))
    return {suffix: sorted(files) for suffix, files in found.items()}
