"""A config for a text: its network and budget by the number of characters and of different ones."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from lstmctl import shell
from lstmctl.data.locating import text_files
from lstmctl.deriving.derived import Derived, about
from lstmctl.errors import DataError

SIZES = ((60_000, 128, 0.3), (400_000, 256, 0.2), (4_000_000, 384, 0.1), (float("inf"), 512, 0.0))
"""Maximum number of characters, hidden units and dropout. More data supports a wider network; a small text is soon
memorised."""
CHARACTERS_PER_SECOND = {128: 60_000, 256: 40_000, 384: 30_000, 512: 18_000}
"""Trained on two cores without bfloat16, about, by the hidden units of an LSTM with batches of 64 windows of 64."""
SECONDS = 90
EPOCHS = 40
SAMPLE = 4 << 20
"""Bytes in which different characters are counted."""
LARGE_ALPHABET = 300


def derive_text(path: Path, given: dict[str, Any]) -> Derived:
    """Derive the config of a language model.

    Raises:
        DataError: the file is too short, or cannot be read.
    """
    files = text_files(path)
    size = sum(file.stat().st_size for file in files)
    counts: Counter[str] = Counter()
    read = characters = 0
    for file in files:
        with file.open("rb") as stream:
            content = stream.read(SAMPLE - read)
        text = content.decode("utf-8", errors="ignore")  # opening reports a file that is not text
        counts.update(text)
        read, characters = read + len(content), characters + len(text)
        if read >= SAMPLE:
            break
    if characters < 400:
        raise DataError(f"{path} has {characters:,} characters, too few to learn from", hint="a text of 2,000 or more")
    length = round(size * characters / read)
    many = f"{len(files):,} files" if len(files) > 1 else path.name
    derived = Derived(
        f"{many}: a text of about {_rounded(length)} characters, to predict symbol by symbol", given=given
    )
    derived.decide("task.type", "language-model")
    derived.decide("data.text", str(path.resolve()))
    share = 0.1 if length < 2_000_000 else 0.02
    derived.decide("data.split", [round(1 - 2 * share, 2), share, share])
    hidden, dropout = next((hidden, dropout) for most, hidden, dropout in SIZES if length <= most)
    hidden = derived.decide("model.hidden", hidden, f"for a text of this length; {len(counts):,} different characters")
    if len(counts) > LARGE_ALPHABET:
        derived.decide("model.embedding", 128, "for so many different characters")
        dropout = max(dropout, 0.2)
    derived.decide(
        "model.cell",
        "lstm",
        f"to compare: {shell.join(['lstmctl', 'compare', 'rnn', 'lstm', 'gru', '--data', str(path)])}",
    )
    derived.decide("model.layer_norm", True)
    if dropout:
        derived.decide("model.dropout", dropout, "against overfitting, since the text is short")
    window = 64 if length >= 20_000 else 32
    batch = max(4, min(64, length // (window * 20)))
    derived.decide("training.window", window)
    derived.decide("training.batch", batch)
    rate = CHARACTERS_PER_SECOND.get(hidden, 20_000)
    budget = int(min(EPOCHS * length, rate * SECONDS))
    rounds = budget / (length * (1 - 2 * share))
    passes = f"{rounds:.0f} times through the text" if rounds >= 2 else f"{100 * rounds:.0f} % of the text"
    derived.decide("training.budget", f"{budget // 1000}k characters", f"{passes}, {about(budget / rate)}")
    derived.decide("training.optimizer", "soap")
    derived.decide("training.learning_rate", 15e-3 if hidden <= 256 else 1e-2)
    derived.decide("training.weight_decay", 0.1)
    return derived


def _rounded(count: int) -> str:
    for unit, name in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if count >= unit:
            return f"{count / unit:.3g}{name}"
    return str(count)
