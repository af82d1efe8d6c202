"""What can be predicted without a network: figures that stand beside every score."""

from lstmctl.baselines.text import NGram, ngram, uniform

__all__ = ["NGram", "ngram", "uniform"]
