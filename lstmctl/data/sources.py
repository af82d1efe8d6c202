"""Downloads: those known by name, each with its SHA-256, and those a user gives by URL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

CC_BY_ND = "CC BY-ND 4.0"
NONE_STATED = "none stated"


@dataclass(frozen=True)
class Source:
    """One file on the web."""

    file: str
    """Its name in the download cache."""
    url: str
    sha256: str | None
    """64 lower-case hexadecimal digits, or None if unknown."""
    name: str | None = None
    """Its known name; None for a user's own URL."""
    size: int | None = None
    """In bytes."""
    config: str | None = None
    """The bundled config that uses it."""
    licence: str = ""
    unpacked: str | None = None
    """Name in the cache of the file or folder that it is unpacked to; None if it is used unchanged."""
    members: tuple[str, ...] = ()
    """Of an archive, the patterns of the files to take, in this order; none for a table with a series in each row."""


KNOWN: Mapping[str, Source] = {
    source.name: source
    for source in (
        Source(
            name="tinyshakespeare",
            file="tinyshakespeare.txt",
            url="https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt",
            sha256="86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
            size=1_115_394,
            config="shakespeare-cpu",
            licence="public domain",
        ),
        Source(
            name="ETTh1",
            file="ETTh1.csv",
            url="https://raw.githubusercontent.com/zhouhaoyi/ETDataset/main/ETT-small/ETTh1.csv",
            sha256="f18de3ad269cef59bb07b5438d79bb3042d3be49bdeecf01c1cd6d29695ee066",
            size=2_589_657,
            licence=CC_BY_ND,
        ),
        *(
            Source(
                name=name,
                file=f"{name}.csv",
                url=f"https://raw.githubusercontent.com/zhouhaoyi/ETDataset/main/ETT-small/{name}.csv",
                sha256=None,
                licence=CC_BY_ND,
            )
            for name in ("ETTh2", "ETTm1", "ETTm2")
        ),
        Source(
            name="M4-hourly",
            file="Hourly-train.csv",
            url="https://raw.githubusercontent.com/Mcompetitions/M4-methods/master/Dataset/Train/Hourly-train.csv",
            sha256="ea59b7783573c49077a835ab6465c7d66f1474783360f310988a9a737fbca62f",
            size=2_347_115,
            config="m4-hourly",
            licence=NONE_STATED,
            unpacked="M4-hourly.csv",
        ),
        Source(
            name="M4-hourly-test",
            file="Hourly-test.csv",
            url="https://raw.githubusercontent.com/Mcompetitions/M4-methods/master/Dataset/Test/Hourly-test.csv",
            sha256="71a57fccb15e534d973626ada4fb87febf789e9317715b7cc6dd3b5f90db6f42",
            size=132_820,
            licence=NONE_STATED,
        ),
        Source(
            name="M4-weekly",
            file="Weekly-train.csv",
            url="https://raw.githubusercontent.com/Mcompetitions/M4-methods/master/Dataset/Train/Weekly-train.csv",
            sha256=None,
            licence=NONE_STATED,
            unpacked="M4-weekly.csv",
        ),
        Source(
            name="household-electricity",
            file="individual+household+electric+power+consumption.zip",
            url="https://archive.ics.uci.edu/static/public/235/individual+household+electric+power+consumption.zip",
            sha256=None,
            licence="CC BY 4.0",
            unpacked="household-electricity.csv",
            members=("household_power_consumption.txt",),
        ),
        Source(
            name="PTB-char",
            file="simple-examples.tgz",
            url="http://www.fit.vutbr.cz/~imikolov/rnnlm/simple-examples.tgz",
            sha256=None,
            licence="LDC, for research",
            unpacked="PTB-char.txt",
            members=("*/data/ptb.train.txt", "*/data/ptb.valid.txt", "*/data/ptb.test.txt"),
        ),
        *(
            Source(
                name=name,
                file=f"{name}.zip",
                url=f"http://mattmahoney.net/dc/{name}.zip",
                sha256=None,
                licence="GFDL (Wikipedia)",
                unpacked=f"{name}.txt",
                members=(name,),
            )
            for name in ("enwik8", "text8")
        ),
        Source(
            name="spoken-digits",
            file="free-spoken-digit-dataset-1.0.10.zip",
            url="https://github.com/Jakobovski/free-spoken-digit-dataset/archive/refs/tags/v1.0.10.zip",
            sha256=None,
            licence="CC BY-SA 4.0",
            unpacked="spoken-digits",
            members=("*/recordings/*.wav",),
        ),
    )
    if source.name is not None
}


def find_known(word: str, known: Mapping[str, Source] = KNOWN) -> Source | None:
    """Return the known source with a name, file name or name when unpacked, ignoring case."""
    word = word.casefold()
    for name, source in known.items():
        if word in {each.casefold() for each in (name, source.file, source.unpacked or name)}:
            return source
    return None
