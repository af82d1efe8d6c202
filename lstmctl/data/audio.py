"""Labelled sequences from audio files: found, read, resampled, made into frames, split, and scaled without a leak.

`open_audio` returns the frames of all clips as `Sequences`, so tasks that label sequences of frames also label clips.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lstmctl.data.clip_splitting import split_clips
from lstmctl.data.clips import Clip, check_labels, find_clips
from lstmctl.data.recordings import Recording, Samples, read_recording, resampled
from lstmctl.data.scaling import fit_scale
from lstmctl.data.sequences import LONGEST, UNLABELLED, Array, Numbers, SequenceEncoding, Sequences, range_in_words
from lstmctl.data.spectra import Spectra
from lstmctl.errors import DataError
from lstmctl.words import joined, listed, plural

HIGHEST_RATE = 16_000
"""Highest sampling rate that `data.rate auto` selects: speech is understood at it, and frames cost less."""
SAMPLES_AT_ONCE = 1 << 20
"""Samples, padding included, of which frames are made at once."""
SHOWN = 12
"""Labels or files that a note names."""


@dataclass(frozen=True, eq=False)
class AudioCorpus:
    """Labelled clips; see `sequences.SequenceCorpus`."""

    sequences: Sequences
    """The frames of all clips, in order of their parts."""
    encoding: SequenceEncoding
    parts: dict[str, tuple[int, int]]
    names: tuple[str, ...]
    fingerprint: dict[str, Any]
    """SHA-256 of all files with their names and labels, their size in bytes, clips and frames."""
    notes: tuple[str, ...]
    spectra: Spectra
    clips: tuple[Clip, ...]
    """In the order of `sequences`."""
    silent: Mapping[str, str]
    """By part: a sentence if some of its clips are silent."""
    lacking: Mapping[str, str]
    """By part: a sentence if it lacks labels."""

    def __len__(self) -> int:
        return len(self.sequences)

    @property
    def warnings(self) -> Mapping[str, tuple[str, ...]]:
        """By part: sentences on why its scores may mislead."""
        found = {name: tuple(said[name] for said in (self.lacking, self.silent) if name in said) for name in self.parts}
        return {name: said for name, said in found.items() if said}

    def part(self, name: str) -> Sequences:
        """Return the clips of one part."""
        return self.sequences.between(*self.parts[name])

    def samples(self, number: int) -> Samples:
        """Return the sound (samples,) of a clip at the rate of the frames; it is read again."""
        read = read_recording(self.clips[number].path)
        return resampled(read.samples, read.rate, self.spectra.rate)


def open_audio(
    paths: Sequence[str],
    data: Mapping[str, Any],
    task: str,
    config_folder: Path | None,
    *,
    encoding: SequenceEncoding | None = None,
) -> AudioCorpus:
    """Find, read and check clips, make frames of them, and split them.

    Args:
        paths: folders, audio files or tables of them.
        data: the config's `data` section.
        task: classification or tagging.
        config_folder: searched first.
        encoding: a run's own, for data that the run has not seen: its rate, scales and labels apply, all clips are one
            part, `validation`, and labels may be missing.

    Raises:
        DataError: no clip is found, or one cannot be used; with the position and a remedy.
    """
    is_own = encoding is None
    clips, names = find_clips(paths, data["file_names"], task, config_folder, is_own=is_own)
    _check_labels(clips)
    recordings, digest, size = _read(clips, data["longest"] if is_own else None)
    numbers = {"validation": list(range(len(clips)))}
    if is_own:
        numbers = split_clips(clips, data["split"], data["split_by"], data["held_out"] or ())
    order = [number for part in numbers.values() for number in part]
    clips, recordings = [clips[number] for number in order], [recordings[number] for number in order]
    edges = np.cumsum([0, *map(len, numbers.values())]).tolist()
    parts = {part: (start, stop) for part, start, stop in zip(numbers, edges, edges[1:], strict=False)}
    rate = encoding.rate if encoding is not None else _rate(recordings, data["rate"])
    assert rate is not None
    spectra = Spectra.of(data, rate)
    frames, lengths = _frames(clips, recordings, spectra)
    starts = np.cumsum(lengths) - lengths
    if encoding is None:
        start, stop = parts["training"]
        own = frames[starts[start] : starts[stop - 1] + lengths[stop - 1]]
        encoding = SequenceEncoding(features=_scales(spectra, data["scaler"], own), rate=rate)
    assert encoding.features is not None
    sequences = Sequences(
        encoding.features.scaled(frames),
        starts,
        lengths,
        np.full(len(frames) if task == "tagging" else len(clips), UNLABELLED, np.int64),
        by_step=task == "tagging",
        names=tuple(clip.name for clip in clips),
    )
    labels = _labels(clips, sequences, recordings, spectra, data["background"], encoding.labels)
    lacking: Mapping[str, str] = {}
    notes = [_described(recordings, sequences, spectra)]
    if labels is not None:
        targets, classes = _numbers(labels, sequences, clips, parts, encoding.labels)
        sequences.targets[:] = targets
        encoding = SequenceEncoding(features=encoding.features, labels=classes, rate=rate)
        lacking = _lacking(sequences, classes, parts)
        notes.append(_counted(labels, by_step=task == "tagging"))
    notes += _speakers(clips, parts)
    return AudioCorpus(
        sequences,
        encoding,
        parts,
        names,
        {"sha256": digest, "bytes": size, "sequences": len(clips), "steps": len(frames)},
        tuple(notes),
        spectra,
        tuple(clips),
        _silence(clips, recordings, parts),
        lacking,
    )


def _check_labels(clips: Sequence[Clip]) -> None:
    told = [(clip.label, clip.place) for clip in clips if clip.label is not None]
    told += [(stretch.label, stretch.place) for clip in clips for stretch in clip.stretches or ()]
    check_labels([label for label, _ in told], [place for _, place in told])


def _read(clips: Sequence[Clip], longest: float | None) -> tuple[list[Recording], str, int]:
    """Return the recordings of all clips, and the SHA-256 and size in bytes of their files and labels."""
    digest, size, recordings = hashlib.sha256(), 0, []
    for clip in clips:
        recording = read_recording(clip.path)
        seconds = len(recording.samples) / recording.rate
        if longest is not None and seconds > longest:
            raise DataError(
                f"{clip.place} lasts {seconds:,.1f} s, but data.longest is {longest:g} s",
                hint=f"cut it into clips, or allow it (it takes more memory): data.longest={np.ceil(seconds):.0f}",
            )
        told = [[stretch.start, stretch.end, stretch.label] for stretch in clip.stretches or ()]
        about = json.dumps([clip.name, clip.label, clip.speaker, told, recording.rate])
        digest.update(about.encode() + recording.samples.tobytes())
        size += clip.path.stat().st_size
        recordings.append(recording)
    return recordings, digest.hexdigest(), size


def _rate(recordings: Sequence[Recording], wanted: int | str) -> int:
    if isinstance(wanted, int):
        return wanted
    ((commonest, _),) = Counter(recording.rate for recording in recordings).most_common(1)
    return min(commonest, HIGHEST_RATE)


def _frames(
    clips: Sequence[Clip], recordings: Sequence[Recording], spectra: Spectra
) -> tuple[Array, NDArray[np.int64]]:
    """Return the features (steps, features) of all clips, and the number of frames of each (clips,)."""
    sounds = [resampled(recording.samples, recording.rate, spectra.rate) for recording in recordings]
    lengths = np.array([spectra.count(len(sound)) for sound in sounds], np.int64)
    long = np.flatnonzero(lengths > LONGEST)
    if len(long):
        raise DataError(
            f"{clips[long[0]].place} has {lengths[long[0]]:,} frames, but a clip may have {LONGEST:,} at most",
            hint="cut it into several files",
        )
    frames = np.empty((lengths.sum(), len(spectra.names)), np.float32)
    starts = np.cumsum(lengths) - lengths
    # Short clips of similar lengths are processed together: one call per clip would take ten times as long.
    order = np.argsort(lengths, kind="stable").tolist()
    while order:
        count = max(1, SAMPLES_AT_ONCE // len(sounds[order[-1]]))
        chosen = [order.pop() for _ in range(min(count, len(order)))]
        waves = torch.zeros(len(chosen), max(len(sounds[number]) for number in chosen))
        for row, number in enumerate(chosen):
            waves[row, : len(sounds[number])] = torch.from_numpy(sounds[number])
        counts = torch.from_numpy(lengths[chosen])
        for number, found in zip(chosen, spectra.frames(waves, counts).numpy(), strict=True):
            frames[starts[number] : starts[number] + lengths[number]] = found[: lengths[number]]
    return frames, lengths


def _scales(spectra: Spectra, scaler: str, frames: Array) -> Numbers:
    """Return the scale of each feature, from the training part's frames (steps, features)."""
    scales = [fit_scale(scaler, column) for column in frames.T.astype(np.float64)]
    return Numbers(spectra.names, tuple(scale.centre for scale in scales), tuple(scale.spread for scale in scales))


def _labels(
    clips: Sequence[Clip],
    sequences: Sequences,
    recordings: Sequence[Recording],
    spectra: Spectra,
    background: str,
    known: tuple[str, ...],
) -> list[str] | None:
    """Return the label of each clip, or of each frame of all clips; None if they are unknown.

    Of data that a run has not seen, labels count only if the run knows any of them: a folder may be named after
    something else.
    """
    if not sequences.by_step:
        labels = [clip.label for clip in clips]
        if any(label is None for label in labels) or (known and not set(labels) & set(known)):
            return None
        return [str(label) for label in labels]
    found: list[str] = []
    for clip, recording, length in zip(clips, recordings, sequences.lengths.tolist(), strict=True):
        if clip.stretches is None:
            return None
        own = [background] * length
        seconds = len(recording.samples) / recording.rate
        for stretch in clip.stretches:
            if stretch.end > seconds + spectra.seconds:
                raise DataError(
                    f"{stretch.place}: the stretch ends at {stretch.end:g} s, but {clip.path.name} lasts {seconds:g} s",
                    hint="correct the times; they are seconds from the start of the file",
                )
            first, last = (round(time / spectra.seconds) for time in (stretch.start, stretch.end))
            own[first:last] = [stretch.label] * (min(last, length) - first)
        found += own
    return found


def _numbers(
    labels: Sequence[str],
    sequences: Sequences,
    clips: Sequence[Clip],
    parts: Mapping[str, tuple[int, int]],
    known: tuple[str, ...],
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Return the class number of every label, and the classes of the training part or of a run.

    Raises:
        DataError: there is one class only, or a label is not a class; with its file or row.
    """
    ends = np.cumsum(sequences.lengths if sequences.by_step else np.ones(len(clips), np.int64))
    edges = {name: (int(ends[start - 1]) if start else 0, int(ends[stop - 1])) for name, (start, stop) in parts.items()}
    classes = known
    if not classes:
        start, stop = edges["training"]
        classes = tuple(sorted(set(labels[start:stop])))
        if len(classes) < 2:
            raise DataError(
                f"every label of the training part is `{classes[0]}` ({clips[0].place}), so there is nothing to learn",
                hint="give clips of at least two labels; folders of labels are inside the folder that data.audio names",
            )
    numbers = {label: number for number, label in enumerate(classes)}
    for name, (start, stop) in edges.items():
        for place in range(start, stop):
            if labels[place] not in numbers:
                clip = clips[int(np.searchsorted(ends, place, side="right"))]
                whose = "the run" if known else "the training part"
                raise DataError(
                    f"{clip.place}: `{labels[place]}` is not a label of {whose}",
                    hint=f"{whose} has {listed(classes)}"
                    + ("" if known else f"; the {name} part needs the same labels: data.held_out or data.split_by"),
                )
    return np.array([numbers[label] for label in labels], np.int64), classes


def _lacking(sequences: Sequences, classes: Sequence[str], parts: Mapping[str, tuple[int, int]]) -> dict[str, str]:
    """Return, by part, a sentence if it lacks a label."""
    found = {}
    for part, (start, stop) in parts.items():
        own = sequences.between(start, stop)
        there = {number for index in range(len(own)) for number in np.unique(own.target(index)).tolist()}
        lacking = [f"`{label}`" for number, label in enumerate(classes) if number not in there]
        where = f"the {part} part" if len(parts) > 1 else "the data"
        if len(there) == 1:
            found[part] = f"{where} has only the label `{classes[there.pop()]}`, so its scores say little"
        elif lacking:
            shown = ", ".join(lacking[:SHOWN]) + (", …" if len(lacking) > SHOWN else "")
            found[part] = f"{where} lacks {len(lacking)} of {len(classes)} labels: {shown}"
    return found


def _silence(
    clips: Sequence[Clip], recordings: Sequence[Recording], parts: Mapping[str, tuple[int, int]]
) -> dict[str, str]:
    """Return, by part, a sentence if clips are silent."""
    found = {}
    for part, (start, stop) in parts.items():
        silent = [
            f"`{clip.name}`"
            for clip, recording in zip(clips[start:stop], recordings[start:stop], strict=True)
            if not np.ptp(recording.samples)
        ]
        if silent:
            named = ", ".join(silent[:SHOWN]) + (", …" if len(silent) > SHOWN else "")
            where = f" in the {part} part" if len(parts) > 1 else ""
            found[part] = (
                f"{plural(len(silent), 'clip is', 'clips are')} silent{where}, with all samples equal: {named}"
            )
    return found


def _described(recordings: Sequence[Recording], sequences: Sequences, spectra: Spectra) -> str:
    """Return a sentence about the clips' lengths, rates and channels."""
    rates = Counter(recording.rate for recording in recordings)
    lengths = range_in_words(int(sequences.lengths.min()), int(sequences.lengths.max()))
    said = [f"Clips have {lengths} frames, one every {1000 * spectra.seconds:g} ms, at {spectra.rate:,} Hz"]
    if other := [f"{count:,} of {rate:,} Hz" for rate, count in sorted(rates.items()) if rate != spectra.rate]:
        said.append(f"{joined(other)} were resampled")
    if low := sum(count for rate, count in rates.items() if rate < spectra.rate):
        said.append(f"{low:,} of them have a lower rate and so nothing in the upper bands")
    if several := sum(recording.channels > 1 for recording in recordings):
        said.append(f"{several:,} with several channels are read as their mean")
    return "; ".join(said) + "."


def _counted(labels: Sequence[str], *, by_step: bool) -> str:
    found = Counter(labels)
    named = [f"{label} {count:,}" for label, count in sorted(found.items(), key=lambda item: (-item[1], item[0]))]
    more = f" and {len(found) - SHOWN} labels more" if len(found) > SHOWN else ""
    return f"{'Frames' if by_step else 'Clips'} by label: {', '.join(named[:SHOWN])}{more}."


def _speakers(clips: Sequence[Clip], parts: Mapping[str, tuple[int, int]]) -> list[str]:
    """Return a sentence about the speakers that each part shares with the training part."""
    heard = {clip.speaker for clip in clips[slice(*parts.get("training", (0, 0)))]} - {None}
    if not heard:
        return []
    said = []
    for part, (start, stop) in list(parts.items())[1:]:
        own = {clip.speaker for clip in clips[start:stop]} - {None}
        said.append(f"{len(own - heard)} of {len(own)} in the {part} part are not in the training part")
    return [f"Speakers: {len(heard)} in the training part; {', '.join(said)}."]
