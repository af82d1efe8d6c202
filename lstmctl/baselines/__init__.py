"""What can be predicted without a network: figures that stand beside every score."""

from lstmctl.baselines.text import LONGEST_TRAINING, NGram, ngram, uniform

__all__ = ["LONGEST_TRAINING", "NGram", "ngram", "uniform"]
