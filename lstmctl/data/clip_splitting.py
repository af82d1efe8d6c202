"""Parts of a set of clips: each label and speaker in every part, or whole speakers in one part."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import TypeVar

from lstmctl.data.clips import Clip
from lstmctl.data.splitting import PARTS, split_positions
from lstmctl.errors import DataError
from lstmctl.words import joined, listed, near

Share = Sequence[float] | Sequence[int]
Item = TypeVar("Item", int, str)


def split_clips(clips: Sequence[Clip], split: Share, by: str, held_out: Sequence[str]) -> dict[str, list[int]]:
    """Return the numbers of the clips of each part.

    The result depends on neither a seed nor the order of the files: within a label and speaker, clips are sorted by
    hashes of their names.

    Args:
        clips: all of them.
        split: fractions or counts, of clips or of speakers.
        by: `clip` or `speaker`.
        held_out: patterns of file names, or speakers, that make up the last part; `split` then divides the rest.

    Raises:
        DataError: a part is empty, or `held_out` names something that does not exist.
    """
    if by == "speaker":
        return _by_speaker(clips, split, held_out)
    last = _matching(clips, held_out)
    rest = [number for number in range(len(clips)) if number not in set(last)]
    return _shared(_spread(clips, rest), last, split, "clips")


def _by_speaker(clips: Sequence[Clip], split: Share, held_out: Sequence[str]) -> dict[str, list[int]]:
    unknown = next((clip for clip in clips if clip.speaker is None), None)
    if unknown is not None:
        raise DataError(
            f"data.split_by speaker needs the speaker of every clip, and that of {unknown.place} is unknown",
            hint="a table needs a column `speaker`, a pattern a {speaker}: "
            "\"data.file_names='{label}_{speaker}_{take}'\"",
        )
    speakers = sorted({str(clip.speaker) for clip in clips})
    for name in held_out:
        if name not in speakers:
            raise DataError(
                f"data.held_out names `{name}`, which is not a speaker", hint=near(name, speakers) or listed(speakers)
            )
    rest = [speaker for speaker in speakers if speaker not in held_out]
    parts = _shared(rest, [speaker for speaker in speakers if speaker in held_out], split, "speakers")
    return {
        part: [number for number, clip in enumerate(clips) if clip.speaker in names] for part, names in parts.items()
    }


def _matching(clips: Sequence[Clip], patterns: Sequence[str]) -> list[int]:
    """Return the clips that match a pattern by their name, with or without its folders."""
    found: set[int] = set()
    for pattern in patterns:
        matches = {
            number
            for number, clip in enumerate(clips)
            if fnmatchcase(clip.name, pattern) or fnmatchcase(clip.name.rpartition("/")[2], pattern)
        }
        if not matches:
            raise DataError(
                f"data.held_out `{pattern}` matches no file", hint=f"the name of the first one is {clips[0].name}"
            )
        found |= matches
    return sorted(found)


def _spread(clips: Sequence[Clip], numbers: Sequence[int]) -> list[int]:
    """Return the clips in an order in which every stretch has about the same share of each label and speaker."""
    groups: dict[tuple[str, str], list[int]] = {}
    hashes = {number: hashlib.sha256(clips[number].name.encode()).digest() for number in numbers}
    for number in sorted(numbers, key=lambda number: hashes[number]):
        groups.setdefault((clips[number].label or "", clips[number].speaker or ""), []).append(number)
    places = {number: (place + 0.5) / len(group) for group in groups.values() for place, number in enumerate(group)}
    return sorted(numbers, key=lambda number: (places[number], hashes[number]))


def _shared(rest: Sequence[Item], last: Sequence[Item], split: Share, unit: str) -> dict[str, list[Item]]:
    """Return the items of each part: `last` in the last one if there are any, and `rest` divided among the others."""
    if not last:
        positions = split_positions(len(rest), split, unit)
        return {part: list(rest[start:stop]) for part, (start, stop) in positions.items()}
    shares = split[:-1]
    if not all(isinstance(share, int) for share in shares):
        shares = [share / sum(shares) for share in shares]
    if not rest:
        raise DataError(f"data.held_out takes all {unit}, which leaves no {joined(PARTS[: len(shares)])} part")
    positions = split_positions(len(rest), shares, unit)
    return {
        **{part: list(rest[start:stop]) for part, (start, stop) in positions.items()},
        PARTS[len(shares)]: list(last),
    }
