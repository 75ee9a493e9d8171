"""How straight a way is, against least squares of numpy."""

import numpy as np
import pytest
import torch

from rlvr_bench.train.trajectory import VALUES, Trajectory


def _walk(moves: np.ndarray, parameters: int = 1) -> Trajectory:
    tensors = list(torch.zeros(parameters, moves.shape[1] // parameters, dtype=torch.float64).unbind())
    found = Trajectory(tensors)
    for move in moves:
        for tensor, own in zip(tensors, np.split(move, parameters), strict=True):
            tensor += torch.from_numpy(own)
        found.record()
    return found


def test_a_straight_way_has_r2_one() -> None:
    slopes = np.random.default_rng(0).normal(size=12)
    assert _walk(np.tile(slopes, (20, 1)), parameters=3).linearity() == pytest.approx(1.0)


def test_r2_is_that_of_least_squares_through_the_start() -> None:
    moves = np.random.default_rng(1).normal(0.3, 1.0, size=(30, 40))
    positions, steps = moves.cumsum(axis=0), np.arange(1.0, 31.0)[:, None]
    left = 0.0
    for column in positions.T:
        left += np.linalg.lstsq(steps, column, rcond=None)[1][0]
    total = ((positions - positions.mean(axis=0)) ** 2).sum()
    assert _walk(moves).linearity() == pytest.approx(1 - left / total)


def test_a_random_walk_is_not_straight() -> None:
    assert _walk(np.random.default_rng(2).normal(size=(200, 400))).linearity() < 0.8


def test_without_movement_or_steps_nothing_is_said() -> None:
    assert _walk(np.zeros((5, 4))).linearity() is None
    assert _walk(np.ones((1, 4))).linearity() is None
    assert Trajectory([]).linearity() is None


def test_of_many_values_a_sample_is_followed() -> None:
    tensors = [torch.zeros(VALUES), torch.zeros(3, VALUES), torch.zeros(2)]
    found = Trajectory(tensors)
    tensors[0].fill_(1.0)
    found.record()
    tensors[0].fill_(2.0)
    found.record()
    assert found.linearity() == pytest.approx(1.0)
    assert len(found._start) <= VALUES
