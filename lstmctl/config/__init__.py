"""The config: read strictly and checked as a whole; all errors are reported at once, with their positions in the file.

    bytes ── reading ──> plain data ── overrides ──> checking (schema, then rules) ──> Settings ── writing ──> YAML
             scalars                                 fields, wording

`schema` is the only place that defines defaults. Nothing here imports torch or numpy, or runs code named in a config.
"""

from lstmctl.config.budget import Budget
from lstmctl.config.examples import bundled_text, list_bundled
from lstmctl.config.loading import LoadedConfig, derive, from_mapping, load, load_mapping
from lstmctl.config.schema import Settings, json_schema
from lstmctl.config.writing import dump

__all__ = [
    "Budget",
    "LoadedConfig",
    "Settings",
    "bundled_text",
    "derive",
    "dump",
    "from_mapping",
    "json_schema",
    "list_bundled",
    "load",
    "load_mapping",
]
