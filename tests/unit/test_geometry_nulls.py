"""Null updates: what they keep, what their figures are, and how often an interval is right."""

import math

import numpy as np
import pytest
import scipy.stats
import torch
from geometry_reference import bf16, matrix

from rlvr_bench.geometry.measure import measure
from rlvr_bench.geometry.nulls import lift, null_update, permuted, shown_in_bf16, student
from rlvr_bench.geometry.settings import GeometrySettings
from rlvr_bench.geometry.summary import model_lift, null_summary, summarise


def noise(rows: int, columns: int, seed: int) -> torch.Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_nulls_keep_norm_and_entries_and_are_reproducible() -> None:
    update = noise(7, 9, 0)
    gaussian, shuffled = (null_update(kind, update, "w", 0, 0) for kind in ("isotropic", "permuted"))
    assert float(gaussian.norm()) == pytest.approx(float(update.norm()))
    assert torch.equal(shuffled.flatten().sort().values, update.flatten().sort().values)
    assert not torch.equal(shuffled, update)
    for other in (("v", 0, 0), ("w", 1, 0), ("w", 0, 1)):
        assert not torch.equal(null_update("isotropic", update, *other), gaussian)
    assert torch.equal(null_update("isotropic", update, "w", 0, 0), gaussian)
    assert not torch.equal(permuted(update, np.random.default_rng(0)), update)


def test_what_bf16_shows_is_the_difference_of_rounded_weights() -> None:
    weight, update = noise(20, 30, 1).float().double(), 1e-3 * noise(20, 30, 2)
    shown, changed = shown_in_bf16(weight, update)
    before, after = bf16(weight.numpy()), bf16((weight + update).numpy())
    assert np.array_equal(shown.numpy(), after - before)
    assert np.array_equal(changed.numpy(), after != before)


def test_the_student_quantiles() -> None:
    for degrees in [*range(1, 31), 60, 200]:
        assert student(degrees) == pytest.approx(scipy.stats.t.ppf(0.975, degrees), rel=5e-4)


def test_the_lift_of_one_matrix_is_a_prediction_interval() -> None:
    draws = [1.0, 1.2, 0.9]
    found = lift(2.2, [draws], [1.0])
    half = scipy.stats.t.ppf(0.975, 2) * np.std(draws, ddof=1) * math.sqrt(4 / 3)
    mean = np.mean(draws)
    assert found.null == pytest.approx(mean) and found.ratio == pytest.approx(2.2 / mean)
    assert found.low == pytest.approx(2.2 / (mean + half), rel=1e-3)
    assert found.high == pytest.approx(2.2 / (mean - half), rel=1e-3)


def test_a_null_that_reaches_zero_leaves_the_lift_open() -> None:
    assert lift(1.0, [[0.1, 2.0]], [1.0]).high is None
    assert lift(1.0, [[0.0, 0.0]], [1.0]).ratio is None


def test_an_isotropic_update_has_its_lift_in_the_interval() -> None:
    """Over many isotropic updates the 95 % intervals hold 1 about as often as they say, for every figure."""
    trials, held = 40, dict[str, int]()
    for trial in range(trials):
        bases = [noise(20, 32, 100 * trial + i) for i in range(4)]
        pairs = [
            (f"{trial}.{i}", base, base + 3e-3 * noise(20, 32, 7000 + 100 * trial + i)) for i, base in enumerate(bases)
        ]
        found = null_summary(list(measure(pairs, GeometrySettings(draws=3))))["isotropic"]
        for name, value in found.items():
            if value["lift"] is not None:
                inside = value["lift_lo"] <= 1 <= (value["lift_hi"] or math.inf)
                held[name] = held.get(name, 0) + inside
    assert held.keys() >= {"principal_overlap", "principal_energy_joint", "spectral_shift", "principal_angle_mean_deg"}
    assert all(count >= 0.8 * trials for count in held.values()), held
    assert sum(held.values()) >= 0.92 * trials * len(held)


@pytest.mark.parametrize("shape", [(40, 60), (60, 40)])
def test_the_energy_of_isotropic_updates_is_the_share_of_dimensions(shape: tuple[int, int]) -> None:
    """Left k/m, right k/n, joint k^2/(mn), on updates so large that bf16 does not matter."""
    base = matrix(*shape, np.geomspace(1, 0.1, 40), seed=1)
    (record,) = measure([("w", base, base + noise(*shape, 3))], GeometrySettings(k=8, draws=40))
    rows, columns = shape
    shares = {"left": 8 / rows, "right": 8 / columns, "joint": 64 / (rows * columns)}
    for name, share in shares.items():
        assert model_lift(f"principal_energy_{name}", [record], "isotropic").null == pytest.approx(share, rel=0.1)


def test_a_permuted_update_keeps_its_sparsity_and_loses_its_place() -> None:
    base = matrix(40, 60, np.geomspace(1, 0.1, 40), seed=2).float()
    update = torch.zeros(40, 60)
    update[3] = 0.5
    (record,) = measure([("w", base, base + update)], GeometrySettings(draws=4))
    found = null_summary([record])["permuted"]
    assert found["sparsity_bf16"]["mean"] == record.figures["sparsity_bf16"] == pytest.approx(39 / 40)
    assert found["row_stripe_index"]["lift"] > 10 and found["row_stripe_index"]["lift_lo"] > 5
    assert found["stable_rank"]["lift"] < 0.3


def test_low_magnitude_lift_of_small_updates_is_made_by_bf16_alone() -> None:
    """The reason for the nulls: in bf16 an update that knows nothing of the weights changes the small ones."""
    base = noise(64, 64, 5).float()
    (record,) = measure([("w", base, base + 1e-3 * noise(64, 64, 6).float())], GeometrySettings(draws=4))
    assert record.figures["low_magnitude_lift"] > 1.3
    found = null_summary([record])["isotropic"]["low_magnitude_overlap"]
    assert found["lift"] == pytest.approx(1.0, abs=0.05)


def test_the_summary_has_the_leaderboard_columns_and_pools_as_it_says() -> None:
    first, second, norm = noise(16, 16, 8).float(), noise(8, 24, 9).float(), torch.ones(16)
    tuned = first + 0.1, second * 1.5, norm.clone()
    names = ("layers.0.a.weight", "layers.1.b.weight", "norm.weight")
    pairs = list(zip(names, (first, second, norm), tuned, strict=True))
    found = summarise(list(measure(pairs, GeometrySettings(draws=2))))
    records = list(measure(pairs, GeometrySettings(draws=0)))
    each = [record.figures for record in records]
    assert found["matrices"] == 2 and found["entries"] == 256 + 192 + 16
    weighted = sum(r.entries * r.figures["sparsity_bf16"] for r in records) / 464
    assert found["sparsity_bf16"] == pytest.approx(weighted)
    assert found["spectral_shift"] == pytest.approx((each[0]["spectral_shift"] + each[1]["spectral_shift"]) / 2)
    assert found["principal_angle_max_deg"] == max(e["principal_angle_max_deg"] for e in each[:2])
    moved = sum(float((b - a).double().square().sum()) for _, a, b in pairs)
    whole = sum(float(a.double().square().sum()) for _, a, _ in pairs)
    assert found["relative_norm"] == pytest.approx(math.sqrt(moved / whole))
    assert found["null"]["isotropic"]["spectral_shift"].keys() == {"mean", "lift", "lift_lo", "lift_hi"}


def test_the_summary_of_no_update_has_no_lift() -> None:
    base = noise(12, 12, 1)
    found = summarise(list(measure([("w", base, base.clone())], GeometrySettings())))
    assert found["sparsity_bf16"] == 1.0 and found["principal_overlap"] is None
    assert found["null"]["isotropic"]["principal_overlap"] == dict.fromkeys(("mean", "lift", "lift_lo", "lift_hi"))
