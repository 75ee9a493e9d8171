"""The figures of one update: against scipy on random pairs, and on pairs whose answers are known."""

import math
from collections.abc import Mapping

import numpy as np
import pytest
import torch
from geometry_reference import matrix, reference
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from rlvr_bench.geometry.energy import energy_by_direction
from rlvr_bench.geometry.errors import GeometryError
from rlvr_bench.geometry.measure import TensorRecord, measure
from rlvr_bench.geometry.settings import GeometrySettings

WITHOUT_NULLS = GeometrySettings(draws=0)


def record(before: Tensor, after: Tensor, asked: GeometrySettings = WITHOUT_NULLS) -> TensorRecord:
    return next(measure([("layers.0.w.weight", before, after)], asked))


def figures(before: Tensor, after: Tensor, **asked: float) -> Mapping[str, float | None]:
    return record(before, after, GeometrySettings(draws=0, **asked)).figures


@settings(deadline=None, max_examples=40)
@given(
    st.integers(2, 40),
    st.integers(2, 40),
    st.integers(0, 2**31),
    st.sampled_from([1e-4, 1e-2, 1.0]),
    st.sampled_from([0.1, 0.3, 0.5, 0.7]),
)
def test_random_pairs_agree_with_an_independent_implementation(
    rows: int, columns: int, seed: int, scale: float, density: float
) -> None:
    rng = np.random.default_rng(seed)
    before = rng.normal(size=(rows, columns)).astype(np.float32)
    after = (before + scale * rng.normal(size=(rows, columns)) * (rng.random((rows, columns)) < 0.7)).astype(np.float32)
    if not (before != after).any():
        return
    k, rank = int(rng.integers(1, min(rows, columns) + 1)), int(rng.integers(1, min(rows, columns) + 1))
    found = figures(torch.from_numpy(before), torch.from_numpy(after), k=k, mask_rank=rank, mask_density=density)
    wanted = reference(before, after, k, rank, density)
    for name, value in wanted.items():
        got = found[name]
        if math.isnan(value) or math.isinf(value):
            assert got is None, name
        else:
            assert got == pytest.approx(value, rel=1e-6, abs=1e-7), name


SIDES = {"principal_angle_left_max_deg": "principal_angle_right_max_deg"}
SIDES |= {"principal_energy_left": "principal_energy_right", "row_stripe_index": "column_stripe_index"}


@settings(deadline=None, max_examples=25)
@given(st.integers(3, 24), st.integers(3, 24), st.integers(0, 2**31))
def test_figures_know_neither_order_nor_scale_and_turn_with_the_matrix(rows: int, columns: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    before = torch.from_numpy(rng.normal(size=(rows, columns)))
    after = before + torch.from_numpy(1e-2 * rng.normal(size=(rows, columns)))
    plain = figures(before, after, k=2, mask_rank=2)
    order = torch.from_numpy(rng.permutation(rows))
    shuffled = figures(before[order], after[order], k=2, mask_rank=2)
    doubled = figures(8 * before, 8 * after, k=2, mask_rank=2)  # a power of two leaves bf16 alone
    turned = figures(before.T.contiguous(), after.T.contiguous(), k=2, mask_rank=2)
    exchanged = SIDES | {right: left for left, right in SIDES.items()}
    for name, value in plain.items():
        same = value if value is None else pytest.approx(value, rel=1e-6, abs=1e-9)
        assert shuffled[name] == same, name
        if not name.startswith("update_norm") and name != "sparsity_1e_5":
            assert doubled[name] == same, name
        if name != "intruder_dimensions":  # counted among left singular vectors
            assert turned[exchanged.get(name, name)] == same, name


def test_rows_in_another_order_keep_the_spectrum_and_the_right_side() -> None:
    before = matrix(20, 30, np.linspace(9, 1, 20), seed=8)
    found = figures(before, before[torch.randperm(20, generator=torch.Generator().manual_seed(1))], k=4)
    assert found["spectral_shift"] == pytest.approx(0, abs=1e-12)
    assert found["isospectral_residual"] == pytest.approx(0, abs=1e-12)
    assert found["principal_angle_right_max_deg"] == pytest.approx(0, abs=1e-6)
    assert (found["principal_angle_left_max_deg"] or 0) > 30


def test_the_k_used_stands_in_the_record() -> None:
    before = torch.randn(32, 48)
    default = record(before, before + 0.1, GeometrySettings(draws=0))
    assert (default.k, default.mask_rank) == (8, 8)
    asked = record(before, before + 0.1, GeometrySettings(draws=0, k=20, mask_rank=100))
    assert (asked.k, asked.mask_rank) == (20, 32)
    assert GeometrySettings().k_for((4096, 4096)) == 512
    assert GeometrySettings().mask_rank_for((4096, 4096)) == 64


@pytest.mark.parametrize("shape", [(12, 20), (20, 12)])
def test_a_rank_one_update_along_a_principal_direction_moves_one_singular_value(shape: tuple[int, int]) -> None:
    before = matrix(*shape, np.linspace(12, 1, 12), seed=1)
    u, s, v = torch.linalg.svd(before, full_matrices=False)
    found = figures(before, before + 0.5 * torch.outer(u[:, 1], v[1]), k=3)
    assert found["spectral_shift"] == pytest.approx(0.5 / float(s.norm()))
    assert found["isospectral_residual"] == pytest.approx(1.0)
    assert found["ky_fan_drift"] == pytest.approx(0.5 / float(s[:3].sum()))
    assert found["principal_angle_max_deg"] == pytest.approx(0, abs=1e-6)
    assert found["principal_energy_joint"] == pytest.approx(1.0)
    assert found["principal_energy_tail"] == pytest.approx(0.0, abs=1e-12)
    assert found["stable_rank"] == pytest.approx(1.0)
    assert found["effective_rank"] == pytest.approx(1.0, abs=1e-5)
    assert found["energy_rank_99"] == 1
    assert found["intruder_dimensions"] == 0


def test_a_rank_one_update_in_the_tail_has_no_principal_energy() -> None:
    before = matrix(12, 20, np.linspace(12, 1, 12), seed=2)
    u, _, v = torch.linalg.svd(before, full_matrices=False)
    found = figures(before, before + 0.3 * torch.outer(u[:, 9], v[7]), k=3)
    for name in ("left", "right", "joint"):
        assert found[f"principal_energy_{name}"] == pytest.approx(0, abs=1e-12)
    assert found["principal_energy_tail"] == pytest.approx(1.0)


@pytest.mark.parametrize("degrees", [1e-5, 0.5, 30.0, 80.0])
@pytest.mark.parametrize("shape", [(16, 24), (24, 16)])
def test_a_rotation_of_the_left_side_turns_by_its_angle_and_keeps_the_spectrum(
    shape: tuple[int, int], degrees: float
) -> None:
    before = matrix(*shape, np.linspace(9, 1, 16), seed=3)
    u, _, _ = torch.linalg.svd(before, full_matrices=False)
    angle = math.radians(degrees)
    first, last = u[:, 0], u[:, 12]
    plane = torch.stack([first, last], dim=1)
    turn = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]], dtype=torch.float64)
    rotation = torch.eye(shape[0], dtype=torch.float64) + plane @ (turn - torch.eye(2, dtype=torch.float64)) @ plane.T
    found = figures(before, rotation @ before, k=4)
    assert found["principal_angle_left_max_deg"] == pytest.approx(degrees, rel=1e-5)
    assert found["principal_angle_right_max_deg"] == pytest.approx(0, abs=1e-6)
    assert found["principal_angle_max_deg"] == found["principal_angle_left_max_deg"]
    assert found["principal_angle_mean_deg"] == pytest.approx(degrees / 8, rel=1e-4)
    assert found["spectral_shift"] == pytest.approx(0, abs=1e-9)
    assert found["isospectral_residual"] == pytest.approx(0, abs=1e-4)


def test_a_scaled_matrix_keeps_its_subspaces() -> None:
    before = matrix(10, 14, np.linspace(5, 1, 10), seed=4)
    found = figures(before, 1.1 * before, k=2)
    assert found["spectral_shift"] == pytest.approx(0.1)
    assert found["relative_norm"] == pytest.approx(0.1)
    assert found["principal_angle_max_deg"] == pytest.approx(0, abs=1e-6)
    assert found["intruder_dimensions"] == 0


def test_new_leading_directions_are_intruders() -> None:
    before = matrix(40, 30, np.linspace(1, 0.1, 30), seed=5)
    rng = torch.Generator().manual_seed(0)
    directions = torch.linalg.qr(torch.randn(40, 3, generator=rng, dtype=torch.float64)).Q
    inputs = torch.linalg.qr(torch.randn(30, 3, generator=rng, dtype=torch.float64)).Q
    found = figures(before, before + 50 * directions @ inputs.T)
    expected = reference(before.numpy(), (before + 50 * directions @ inputs.T).numpy(), 7, 7, 0.5)
    assert found["intruder_dimensions"] == expected["intruder_dimensions"] >= 2


def test_a_single_changed_entry() -> None:
    before = torch.linspace(1, 2, 24).view(4, 6)
    after = before.clone()
    after[1, 2] += 0.5
    found = figures(before, after)
    assert found["sparsity_bf16"] == found["sparsity_fp32"] == 23 / 24
    assert found["stable_rank"] == pytest.approx(1.0)
    assert found["update_norm"] == pytest.approx(0.5)
    assert found["low_magnitude_overlap"] == 1.0  # entry 8 of 24 in ascending order, the mask takes 12
    assert found["low_magnitude_lift"] == 2.0


def test_no_update_moves_nothing_and_leaves_shares_undefined() -> None:
    before = torch.randn(8, 12, generator=torch.Generator().manual_seed(0))
    found = figures(before, before.clone())
    zero = {"relative_norm", "update_norm", "update_norm_spectral", "spectral_shift", "ky_fan_drift", "sin_theta_bound"}
    zero |= {name for name in found if name.startswith("principal_angle")} | {"intruder_dimensions"}
    one = {"sparsity_bf16", "sparsity_fp32", "sparsity_1e_5"}
    assert {name for name, value in found.items() if value == 0} == zero
    assert {name for name, value in found.items() if value == 1} == one
    assert {name for name, value in found.items() if value is None} == found.keys() - zero - one


def test_a_change_that_bf16_does_not_show_has_energy_but_no_place() -> None:
    before = torch.full((6, 8), 1.0) + torch.arange(48).view(6, 8) / 128
    found = figures(before, before + 1e-6)
    assert found["sparsity_bf16"] == 1.0 and found["sparsity_fp32"] == 0.0
    assert found["principal_overlap"] is None and found["row_stripe_index"] is None
    assert found["principal_energy_left"] is not None and found["relative_norm"] > 0


def test_a_matrix_of_zeros_has_no_geometry() -> None:
    found = figures(torch.zeros(4, 6), torch.ones(4, 6))
    for name in ("relative_norm", "spectral_shift", "principal_angle_max_deg", "principal_overlap"):
        assert found[name] is None
    assert found["sparsity_bf16"] == 0.0 and found["stable_rank"] == pytest.approx(1.0)


def test_subspaces_of_equal_singular_values_are_undefined() -> None:
    before = matrix(8, 8, [3, 2, 2, 2, 1, 1, 1, 1], seed=6)
    after = before + 0.01 * torch.randn(8, 8, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    undefined = figures(before, after, k=2)
    assert undefined["principal_angle_max_deg"] is None and undefined["principal_energy_joint"] is None
    assert undefined["sin_theta_bound"] is None and undefined["spectral_shift"] is not None
    assert figures(before, after, k=4)["principal_angle_max_deg"] is not None


def test_the_sin_theta_bound_holds() -> None:
    before = matrix(20, 30, [*np.linspace(10, 8, 5), *np.linspace(2, 1, 15)], seed=7)
    after = before + 0.05 * torch.randn(20, 30, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    found = figures(before, after, k=5)
    assert 0 < math.sin(math.radians(found["principal_angle_max_deg"])) <= found["sin_theta_bound"]


@pytest.mark.parametrize("shape", [(6, 9), (9, 6)])
def test_energy_by_direction_adds_up_and_finds_the_direction(shape: tuple[int, int]) -> None:
    before = matrix(*shape, np.linspace(6, 1, 6), seed=8)
    u, _, v = torch.linalg.svd(before, full_matrices=False)
    basis = u if shape[0] <= shape[1] else v.T
    update = torch.outer(u[:, 2], v[2]) * 3 + torch.outer(u[:, 4], v[4]) * 4
    wanted = torch.tensor([0, 0, 9, 0, 16, 0], dtype=torch.float64) / 25
    assert torch.allclose(energy_by_direction(update, basis), wanted, atol=1e-12)
    assert energy_by_direction(torch.zeros(shape, dtype=torch.float64), basis) is None


@pytest.mark.parametrize("shape", [(1, 5), (5, 1), (1, 1)])
def test_the_thinnest_matrices(shape: tuple[int, int]) -> None:
    before = torch.ones(shape)
    found = record(before, before * 1.5, GeometrySettings()).figures
    assert found["spectral_shift"] == pytest.approx(0.5) and found["principal_angle_max_deg"] == pytest.approx(
        0, abs=1e-9
    )
    assert found["stable_rank"] == found["effective_rank"] == pytest.approx(1.0)


def test_nan_is_refused_by_name() -> None:
    with pytest.raises(GeometryError, match=r"w\.weight has 1 NaN or infinite entries after training"):
        record(torch.ones(2, 2), torch.tensor([[1.0, math.nan], [1.0, 1.0]]))


def test_figures_do_not_depend_on_the_number_of_threads() -> None:
    before = torch.randn(3, 40, 50, generator=torch.Generator().manual_seed(0))
    pairs = [(str(i), matrix, matrix + 0.01) for i, matrix in enumerate(before)]
    assert list(measure(pairs, GeometrySettings(), workers=1)) == list(measure(pairs, GeometrySettings(), workers=2))


def test_vectors_have_sizes_only() -> None:
    found = record(torch.ones(5), torch.tensor([1.0, 1, 1, 1, 2]))
    assert not found.is_matrix and found.null is None
    assert found.figures["sparsity_bf16"] == 0.8 and found.figures["relative_norm"] == pytest.approx(1 / math.sqrt(5))
    assert "spectral_shift" not in found.figures


@pytest.mark.parametrize(
    ("asked", "word"),
    [
        ({"k": 0}, "k = 0"),
        ({"mask_rank": -1}, "mask_rank"),
        ({"mask_density": 1.0}, "between 0 and 1"),
        ({"draws": 1}, "2"),
    ],
)
def test_settings_that_define_nothing_are_refused(asked: dict[str, float], word: str) -> None:
    with pytest.raises(GeometryError, match=word):
        GeometrySettings(**asked)
