"""Sampled masks: the same places everywhere, packed without loss, with a null that knows nothing of the weights."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rlvr_bench.geometry.mask_sample import PLACES, pack, places, sample_masks
from rlvr_bench.geometry.packed_masks import unpack
from rlvr_bench.geometry.precision import changed_bf16


@given(st.lists(st.booleans(), min_size=1, max_size=70))
def test_what_is_packed_comes_back(mask: list[bool]) -> None:
    assert unpack(pack(torch.tensor(mask)), len(mask)).tolist() == mask


def test_a_mask_that_is_too_short_is_refused() -> None:
    with pytest.raises(ValueError, match="no 17 entries"):
        unpack(pack(torch.ones(16, dtype=torch.bool)), 17)


def test_places_are_different_and_follow_from_name_and_size_alone() -> None:
    one = places("q", 50_000)
    assert len(set(one.tolist())) == PLACES and int(one.max()) < 50_000
    assert torch.equal(one, places("q", 50_000)) and not torch.equal(one, places("k", 50_000))
    assert sorted(places("q", 30).tolist()) == list(range(30))
    assert one[:3].tolist() == PINNED


PINNED = [14203, 34386, 31132]
"""numpy has frozen the stream of RandomState: masks of committed records stay comparable."""


def test_the_sample_is_of_the_changed_mask_and_the_null_of_its_size() -> None:
    generator = torch.Generator().manual_seed(0)
    before = 0.05 * torch.randn(200, 300, generator=generator)
    after = before + 1e-4 * torch.randn(200, 300, generator=generator)
    pairs = [("w", before, after), ("norm", before[0], after[0])]
    (found,) = sample_masks(pairs, "cell-1").values()
    chosen = places("w", before.numel())
    assert unpack(found["update"], PLACES).tolist() == changed_bf16(before, after).flatten()[chosen].tolist()
    shares = [unpack(found[kind], PLACES).mean() for kind in ("update", "permuted")]
    assert shares[0] == pytest.approx(shares[1], abs=0.06)
    (other,) = sample_masks(pairs, "cell-2").values()
    assert other["update"] == found["update"] and other["permuted"] != found["permuted"]


def test_the_null_loses_where_large_updates_are() -> None:
    """Updates on ten rows alone: of its entries in random places as many change, but not there."""
    before, after = torch.ones(100, 100), torch.ones(100, 100)
    after[:10] += 0.1
    (found,) = sample_masks([("w", before, after)], "c").values()
    rows = places("w", 10_000).numpy() // 100
    update, null = (unpack(found[kind], PLACES) for kind in ("update", "permuted"))
    assert np.array_equal(update, rows < 10)
    assert null[rows < 10].mean() == pytest.approx(0.1, abs=0.1)
    assert null.mean() == pytest.approx(0.1, abs=0.03)
