"""Vectors of categories."""

from __future__ import annotations

import torch

from lstmctl.models.categories import CategoryVectors


def test_numbers_become_vectors_after_the_other_columns() -> None:
    vectors = CategoryVectors(3, {1: 4})
    vectors.initialise(torch.Generator().manual_seed(0))
    (table,) = vectors.vectors
    assert table.shape == (4, 3)
    assert vectors.outputs == 5
    columns = torch.tensor([[0.5, 2, -1], [7, 0, 3]])
    found = vectors(columns)
    assert found[0].tolist() == [0.5, -1, *table[1].tolist()]
    # Number 0 is any category that did not occur in training.
    assert torch.allclose(found[1], torch.cat([torch.tensor([7.0, 3]), table.mean(0)]))


def test_each_column_has_its_own_and_no_width_grows_without_end() -> None:
    vectors = CategoryVectors(2, {0: 1, 1: 5000})
    assert [tuple(table.shape) for table in vectors.vectors] == [(1, 1), (5000, 16)]
    assert vectors(torch.tensor([[[1.0, 5000]]])).shape == (1, 1, 17)
