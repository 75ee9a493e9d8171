"""Sketches of updates: cosines without bias, packed without loss."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rlvr_bench.geometry.packed_sketches import cosine, pack_sketch, unpack_sketch
from rlvr_bench.geometry.update_sketch import BUCKETS, sketch_of
from rlvr_bench.record.machine_paths import without_paths

SHAPES = {"q": (200, 100), "down": (150, 120), "norm": (96,)}


def _updates(count: int) -> list[dict[str, torch.Tensor]]:
    generator = torch.Generator().manual_seed(0)
    return [{name: torch.randn(shape, generator=generator) for name, shape in SHAPES.items()} for _ in range(count)]


def _sketch(update: dict[str, torch.Tensor]) -> np.ndarray:
    return sketch_of((name, torch.zeros_like(moved), moved) for name, moved in update.items())


def _flat(update: dict[str, torch.Tensor]) -> np.ndarray:
    return np.concatenate([moved.numpy().ravel() for moved in update.values()]).astype(np.float64)


def test_the_cosine_of_sketches_is_that_of_the_updates_up_to_its_standard_error() -> None:
    one, noise = _updates(2)
    for share in (0.0, 0.3, 0.9, 1.0):
        other = {name: share * one[name] + (1 - share) * noise[name] for name in SHAPES}
        true = _flat(one) @ _flat(other) / np.linalg.norm(_flat(one)) / np.linalg.norm(_flat(other))
        assert cosine(_sketch(one), _sketch(other)) == pytest.approx(true, abs=4 / np.sqrt(BUCKETS))
    assert cosine(_sketch(one), _sketch(one)) == pytest.approx(1)


def test_orthogonal_updates_have_cosines_around_zero_with_the_stated_error() -> None:
    sketches = [_sketch(update) for update in _updates(16)]
    cosines = [cosine(one, other) or 0.0 for place, one in enumerate(sketches) for other in sketches[:place]]
    assert abs(np.mean(cosines)) < 0.005
    assert np.std(cosines) == pytest.approx(1 / np.sqrt(BUCKETS), rel=0.35)


def test_a_sketch_is_linear_and_pinned() -> None:
    one, other = _updates(2)
    both = {name: one[name] - 2 * other[name] for name in SHAPES}
    np.testing.assert_allclose(_sketch(both), _sketch(one) - 2 * _sketch(other), atol=1e-4)
    single = torch.zeros(300)
    single[[0, 1, 2]] = torch.tensor([1.0, 2.0, 4.0])
    placed = sketch_of([("w", torch.zeros(300), single)])
    # numpy has frozen the stream of RandomState: sketches of committed records stay comparable.
    assert {int(place): float(placed[place]) for place in np.flatnonzero(placed)} == PINNED


PINNED = {642: 2.0, 2163: 1.0, 3888: 4.0}


@given(st.lists(st.floats(-1e3, 1e3, width=32), min_size=1, max_size=40))
def test_what_is_packed_comes_back(values: list[float]) -> None:
    sketch = np.array(values, dtype=np.float32)
    np.testing.assert_array_equal(unpack_sketch(pack_sketch(sketch)), sketch)


def test_an_update_of_nothing_has_no_angle() -> None:
    assert cosine(np.zeros(4, dtype=np.float32), np.ones(4, dtype=np.float32)) is None
    assert cosine(np.ones(3, dtype=np.float32), np.ones(4, dtype=np.float32)) is None
    with pytest.raises(ValueError):
        unpack_sketch("no base64!")


def test_a_slash_in_a_sketch_is_no_path() -> None:
    document = {"measurements": {"update_sketch": {"sketch": "/vb+/f/abc/"}}}
    assert without_paths(document) == document
