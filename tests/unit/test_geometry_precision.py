"""Gate III at the edges of bf16, against rounding by the bits."""

import numpy as np
import pytest
import torch
from geometry_reference import bf16, changed_mask
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from rlvr_bench.geometry.masks import largest_mask, overlap, smallest_mask, stripe_index
from rlvr_bench.geometry.precision import (
    changed_bf16,
    half_ulp,
    sparsity_absolute,
    sparsity_fp32,
    swallowed,
    visibility_margin,
)

finite = st.floats(-(2.0**100), 2.0**100, width=32)


def one(value: float) -> Tensor:
    return torch.tensor([value], dtype=torch.float32)


@given(finite, finite)
def test_changed_is_bitwise_inequality_in_bf16(before: float, after: float) -> None:
    got = bool(changed_bf16(one(before), one(after)))
    assert got == bool(changed_mask(np.float32([before]), np.float32([after])))


@pytest.mark.parametrize(
    ("before", "after", "changed"),
    [
        (1.0, 1.0 + 2**-8, False),  # half of the spacing 2^-7 above 1: a tie, which goes to the even mantissa
        (1.0, 1.0 + 2**-8 + 2**-20, True),
        (1.0, 1.0 - 2**-9, False),  # below 1 the spacing is 2^-8
        (1.0, 1.0 - 2**-9 - 2**-20, True),
        (1.0 + 2**-7, 1.0 + 2**-7 + 2**-8, True),  # a tie away from an odd mantissa
        (0.0, -0.0, False),
        (0.0, 1e-38, True),
        (1024.001, 1024.002, False),  # far apart by 1e-5, the same in bf16
        (1e-6, 2e-6, True),  # 134 spacings apart
    ],
)
def test_edges(before: float, after: float, changed: bool) -> None:
    assert bool(changed_bf16(one(before), one(after))) is changed


def test_the_absolute_tolerance_errs_on_both_sides() -> None:
    assert sparsity_absolute(one(1e-6), one(2e-6)) == 1.0
    assert sparsity_absolute(one(1.0), one(1.0 + 2**-7)) == 0.0
    assert sparsity_fp32(one(1024.001), one(1024.002)) == 0.0


@given(finite)
def test_half_the_spacing_reaches_the_next_number(value: float) -> None:
    """A change away from zero shows once it is above half of the spacing, counted from the bf16 value."""
    stored = bf16(np.float32([value])).astype(np.float32)
    half = float(half_ulp(torch.from_numpy(stored)))
    outward = float(np.sign(stored[0]) or 1.0)
    above = np.float32(np.float64(stored[0]) + outward * half * 1.01)
    below = np.float32(np.float64(stored[0]) + outward * half * 0.99)
    if np.abs(stored[0]) > 1e-30:  # float32 itself cannot hold the steps of the smallest
        assert bool(changed_mask(stored, np.float32([above])))
        assert not bool(changed_mask(stored, np.float32([below])))


def test_half_the_spacing_at_zero_and_among_subnormals() -> None:
    assert float(half_ulp(one(0.0))) == float(half_ulp(one(2.0**-130))) == 2.0**-134
    assert float(half_ulp(one(1.0))) == float(half_ulp(one(-1.9))) == 2.0**-8


def test_the_margin_is_of_what_moved() -> None:
    before = torch.tensor([1.0, 1.0, 4.0, 2.0])
    margin = visibility_margin(before, before + torch.tensor([2**-8, 0.0, 2**-8, -(2**-6)]))
    assert margin.tolist() == [1.0, 0.25, 2.0]
    assert visibility_margin(before, before) is None


def test_swallowed_counts_the_updates_that_bf16_weights_would_lose() -> None:
    weights = torch.tensor([1.0, 1.0, 1.0, 0.001])
    updates = torch.tensor([1e-3, 0.0, 2e-2, 1e-4])
    assert swallowed([weights], [updates]) == pytest.approx(1 / 3)
    assert swallowed([weights, weights], [updates, torch.zeros(4)]) == pytest.approx(1 / 3)
    assert swallowed([weights], [torch.zeros(4)]) is None


def test_a_float32_master_and_its_bf16_copy_are_measured_alike() -> None:
    generator = torch.Generator().manual_seed(0)
    before, after = torch.randn(2, 50, 40, generator=generator)
    after = before + 1e-3 * after
    whole = changed_bf16(before, after)
    assert torch.equal(whole, changed_bf16(before.bfloat16(), after.bfloat16()))
    assert torch.equal(whole, changed_bf16(before, after.bfloat16()))


@given(st.lists(st.integers(0, 5), min_size=1, max_size=30), st.data())
def test_masks_take_the_count_and_break_ties_by_position(values: list[int], data: st.DataObject) -> None:
    count = data.draw(st.integers(0, len(values)))
    order = sorted(range(len(values)), key=lambda i: (values[i], i))
    small = smallest_mask(torch.tensor(values, dtype=torch.float64), count)
    large = largest_mask(torch.tensor(values, dtype=torch.float64), count)
    assert small.nonzero().flatten().tolist() == sorted(order[:count])
    assert large.nonzero().flatten().tolist() == sorted(order[len(values) - count :])


def test_overlap_and_stripes() -> None:
    mask = torch.zeros(4, 8, dtype=torch.bool)
    mask[1] = True
    assert overlap(mask, ~mask) == 0.0 and overlap(mask, mask) == 1.0 and overlap(~mask & mask, mask) is None
    assert stripe_index(mask) == pytest.approx(0.25 / (0.25 * 0.75 / 8))
    assert stripe_index(mask.T) == 0.0
    assert stripe_index(torch.ones(4, 8, dtype=torch.bool)) is None


def test_independent_entries_have_stripe_index_one() -> None:
    mask = torch.rand(400, 600, generator=torch.Generator().manual_seed(0)) < 0.3
    assert stripe_index(mask) == pytest.approx(1.0, abs=0.25)
    assert stripe_index(mask.T) == pytest.approx(1.0, abs=0.25)
