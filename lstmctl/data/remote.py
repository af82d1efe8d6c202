"""Data named by a URL: downloaded into the cache, from which it is read like any other file."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from urllib.parse import quote

from lstmctl.cache import cache_folder
from lstmctl.data.downloading import LIMIT, download, find_source
from lstmctl.errors import DataError, ResourceError, UsageError
from lstmctl.storage import disk_errors, rename_over

HUB = re.compile(r"hf://(datasets|spaces)/([^/@]+/[^/@]+)(?:@([^/]+))?/(.+)")
"""A file in a repository of the Hugging Face Hub, at a revision if one is given."""
STORES = ("s3://", "gs://", "gcs://", "az://", "abfs://", "abfss://")
"""Object stores that polars reads, with the credentials of the environment."""
SCHEMES = ("http://", "https://", "hf://", *STORES)


def is_remote(name: str) -> bool:
    """Return whether a name is the URL of a file that can be fetched."""
    return name.lower().startswith(SCHEMES)


def fetch(url: str) -> Path:
    """Download a file into the cache, and return its path there.

    A file of the same name in the cache with other content is never replaced.

    Raises:
        UsageError: the URL does not end in a usable file name.
        DataError: the file cannot be downloaded, or its content has changed.
        ResourceError: the disk is full or cannot be written.
    """
    if url.lower().startswith(STORES):
        return _from_store(url)
    if url.lower().startswith("hf://"):
        url = _hub_url(url)
    return download(find_source(url), limit=20 * LIMIT).path


def _hub_url(url: str) -> str:
    found = HUB.fullmatch(url)
    if found is None:
        raise UsageError(
            f"`{url}` does not name a file of a dataset on the Hub",
            hint="write hf://datasets/USER/NAME/FILE, or hf://datasets/USER/NAME@REVISION/FILE for a fixed version",
        )
    kind, repository, revision, file = found.groups()
    return f"https://huggingface.co/{kind}/{repository}/resolve/{quote(revision or 'main', safe='')}/{quote(file)}"


def _from_store(url: str) -> Path:
    """Copy a table from an object store to a Parquet file in the cache."""
    import polars as pl

    folder = cache_folder()
    if folder is None:
        raise ResourceError("no home folder for downloads", hint="set one: LSTMCTL_CACHE=FOLDER")
    suffix = Path(url).suffix.lower()
    if suffix not in (".csv", ".tsv", ".parquet"):
        raise UsageError(f"`{url}` is not a table that can be read from there", hint="a .csv, .tsv or .parquet file")
    target = folder / f"{Path(url).stem}-{hashlib.sha256(url.encode()).hexdigest()[:12]}.parquet"
    if target.exists():
        return target
    temporary = target.with_name(f".{target.name}.tmp")
    with disk_errors(target):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            if suffix == ".parquet":
                pl.scan_parquet(url).sink_parquet(temporary)
            else:  # as text, which the table's own reader turns into numbers and dates
                pl.scan_csv(url, separator="\t" if suffix == ".tsv" else ",", infer_schema=False).sink_parquet(
                    temporary
                )
            rename_over(temporary, target)
        except (pl.exceptions.PolarsError, OSError) as error:
            raise DataError(f"{url} cannot be read: {str(error).splitlines()[0]}") from error
        finally:
            temporary.unlink(missing_ok=True)
    return target
