"""Gate I: the growth of the KL on made-up records."""

import numpy as np
import pytest
import scipy.stats

from rlvr_bench.geometry.kl_growth import kl_growth
from rlvr_bench.record.schema import StepRecord


def steps(kl: list[float | None], reward: list[float | None]) -> list[StepRecord]:
    return [StepRecord(step=5 * i, kl=k, reward=r) for i, (k, r) in enumerate(zip(kl, reward, strict=True))]


def test_growth_per_step_and_per_reward() -> None:
    records = steps([0.002 * i for i in range(40)], [0.01 * i for i in range(40)])
    found = kl_growth(records)
    assert found.per_step == pytest.approx(0.0004)
    assert found.per_reward == pytest.approx(0.2)
    noisy = [0.001 * i + 0.01 * np.sin(i) for i in range(40)]
    wanted = scipy.stats.linregress(5 * np.arange(40), noisy).slope
    assert kl_growth(steps(noisy, [None] * 40)).per_step == pytest.approx(wanted)


def test_growth_that_is_not_defined() -> None:
    assert kl_growth([]).per_step is None
    assert kl_growth(steps([0.1], [0.5])) == kl_growth(steps([None, None], [0.1, 0.2]))
    falling = kl_growth(steps([0.0, 0.1, 0.2, 0.3], [0.9, 0.8, 0.7, 0.6]))
    assert falling.per_step == pytest.approx(0.02) and falling.per_reward is None
