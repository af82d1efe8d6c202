"""Derive a config for a text: the kind of symbol, and the network and budget by the number of symbols."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from lstmctl import shell
from lstmctl.data.hangul import decomposed
from lstmctl.data.locating import text_files
from lstmctl.data.vocabulary import Kind
from lstmctl.deriving.derived import Derived, about
from lstmctl.errors import DataError

SIZES = ((60_000, 192, 0.5), (400_000, 256, 0.4), (4_000_000, 384, 0.1), (float("inf"), 512, 0.0))
"""Maximum number of symbols, hidden units and dropout. More data supports a wider network; a small text is soon
memorised."""
EPOCHS = ((60_000, 12), (400_000, 15), (float("inf"), 40))
"""Maximum number of symbols, and of passes over them; with more passes, the validation loss rises."""
SYMBOLS_PER_SECOND = {192: 25_000, 256: 40_000, 384: 30_000, 512: 18_000}
"""Approximate training speed on two cores without bfloat16, by the hidden units of an LSTM: for 192, in the small
batches of short texts, and for the others in batches of 64 windows of 64 symbols."""
STEPS = 100
"""Minimum number of steps per pass over a short text; fewer, larger steps give a worse model."""
SAMPLE = 4 << 20
"""Bytes in which different characters are counted."""
LARGE_ALPHABET = 300
MOST_MIXED = 1_000_000
"""Maximum number of symbols of a text for which an n-gram model improves on the network alone."""
HANGUL, SPARSE = 0.2, 25
"""Minimum share of Hangul syllables in a text that is decomposed, and its maximum length in characters for each
different one: where they are more frequent, syllables are learned better than letters (docs/benchmarks.md)."""
NOUNS = {"characters": "characters", "decomposed": "symbols", "bytes": "bytes"}


@dataclass(frozen=True)
class Survey:
    """The beginning of a text."""

    counts: Counter[str]
    """The number of occurrences of each character."""
    read: int
    """Bytes."""

    @property
    def characters(self) -> int:
        return self.counts.total()

    def lengths(self) -> dict[Kind, int]:
        """Return the number of symbols of each kind."""
        letters = sum(len(decomposed(character)) * count for character, count in self.counts.items())
        return {"characters": self.characters, "decomposed": letters, "bytes": self.read}


def derive_text(path: Path, derived: Derived) -> Derived:
    """Derive the config of a language model.

    Raises:
        DataError: the file is too short, or cannot be read.
    """
    files = text_files(path)
    size = sum(file.stat().st_size for file in files)
    survey = _survey(files)
    if survey.characters < 400:
        raise DataError(
            f"{path} has {survey.characters:,} characters, too few to learn from", hint="a text of 2,000 or more"
        )
    many = f"{len(files):,} files" if len(files) > 1 else path.name
    characters = round(size * survey.characters / survey.read)
    derived.what = f"{many}: a text of about {_rounded(characters)} characters, to predict symbol by symbol"
    derived.decide("task.type", "language-model")
    derived.decide("data.text", str(path.resolve()))
    symbols, length = _symbols(survey, derived, size)
    share = 0.1 if length < 2_000_000 else 0.02
    derived.decide("data.split", [round(1 - 2 * share, 2), share, share])
    hidden, dropout = _size(length, derived.seconds)
    alphabet = len(survey.counts)
    hidden = derived.decide("model.hidden", hidden, f"for a text of this length; {alphabet:,} different characters")
    if symbols == "characters" and alphabet > LARGE_ALPHABET:
        derived.decide("model.embedding", 128, "for this number of different characters")
        dropout = max(dropout, 0.2)
    derived.decide(
        "model.cell",
        "lstm",
        f"to compare: {shell.join(['lstmctl', 'compare', 'rnn', 'lstm', 'gru', '--data', str(path)])}",
    )
    derived.decide("model.layer_norm", True)
    if dropout:
        derived.decide("model.dropout", dropout, "against overfitting, since the text is short")
    if length <= MOST_MIXED:
        derived.decide("model.ngram", "auto", "mixes in an n-gram model as far as that helps on the validation part")
    window = 64 if length >= 20_000 else 32
    batch = max(4, min(64, length // (window * STEPS)))
    derived.decide("training.window", window)
    derived.decide("training.batch", batch)
    rate = SYMBOLS_PER_SECOND.get(hidden, 20_000)
    epochs = next(epochs for most, epochs in EPOCHS if length <= most)
    budget = int(min(epochs * length, rate * derived.seconds))
    rounds = budget / (length * (1 - 2 * share))
    passes = f"{rounds:.0f} times through the text" if rounds >= 2 else f"{100 * rounds:.0f} % of the text"
    derived.decide("training.budget", f"{budget // 1000}k {NOUNS[symbols]}", f"{passes}, {about(budget / rate)}")
    derived.decide("training.optimizer", "soap")
    derived.decide("training.learning_rate", 15e-3 if hidden <= 256 else 1e-2)
    derived.decide("training.weight_decay", 0.1)
    return derived


def _survey(files: list[Path]) -> Survey:
    counts: Counter[str] = Counter()
    read = 0
    for file in files:
        with file.open("rb") as stream:
            content = stream.read(SAMPLE - read)
        counts.update(content.decode("utf-8", errors="ignore"))  # opening reports a file that is not text
        read += len(content)
        if read >= SAMPLE:
            break
    return Survey(counts, read)


def _symbols(survey: Survey, derived: Derived, size: int) -> tuple[Kind, int]:
    """Decide the kind of symbol; return it with the number of symbols in `size` bytes."""
    lengths = survey.lengths()
    symbols: Kind = derived.given.get("data.symbols", "characters")
    is_korean = lengths["decomposed"] - survey.characters > HANGUL * survey.characters
    is_sparse = survey.characters < SPARSE * len(survey.counts)
    if "data.symbols" not in derived.given and is_korean and is_sparse:
        symbols = derived.decide("data.symbols", "decomposed", "most syllables are rare, and their letters are not")
    return symbols, round(size * lengths.get(symbols, survey.characters) / survey.read)


def _size(length: int, seconds: float) -> tuple[int, float]:
    """Return the hidden units and dropout for a text of `length` symbols: the widest network that is fast enough."""
    found = SIZES[0][1:]
    for (most, *_), (_, hidden, dropout) in itertools.pairwise(SIZES):
        if length > most and SYMBOLS_PER_SECOND[hidden] * seconds > most:
            found = hidden, dropout
    return found


def _rounded(count: int) -> str:
    for unit, name in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if count >= unit:
            return f"{count / unit:.3g}{name}"
    return str(count)
