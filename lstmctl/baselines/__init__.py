"""Baselines without a network, reported with every score."""

from lstmctl.baselines.text import LONGEST_GRAM, LONGEST_TRAINING, NGram, fitted_ngram, ngram, uniform

__all__ = ["LONGEST_GRAM", "LONGEST_TRAINING", "NGram", "fitted_ngram", "ngram", "uniform"]
