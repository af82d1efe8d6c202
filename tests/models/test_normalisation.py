"""Level and scale that are removed from a window."""

from __future__ import annotations

import pytest
import torch

from lstmctl.models.normalisation import taken_out


def test_what_is_taken_out_of_windows_by_hand() -> None:
    values = torch.tensor([1.0, 2.0, 6.0]).view(3, 1, 1)
    shift, scale = taken_out(values, None, "last")
    assert (shift.item(), scale.item()) == (6.0, 1.0)
    shift, scale = taken_out(values, None, "window")
    assert shift.item() == 3.0
    assert scale.item() == pytest.approx((14 / 3 + 1e-5) ** 0.5)
    shift, scale = taken_out(values, None, "none")
    assert (shift.item(), scale.item()) == (0.0, 1.0)
    gap = torch.tensor([1.0, 3.0, float("nan")]).view(3, 1, 1)
    seen = ~gap.isnan()
    assert taken_out(gap, seen, "last")[0].item() == 3.0
    shift, scale = taken_out(gap, seen, "window")
    assert shift.item() == 2.0
    assert scale.item() == pytest.approx((1 + 1e-5) ** 0.5)
    nothing = torch.full((3, 1, 1), float("nan"))
    assert taken_out(nothing, ~nothing.isnan(), "last")[0].item() == 0.0
