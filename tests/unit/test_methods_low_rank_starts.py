import subprocess
import sys

import numpy as np
import pytest
import torch

from rlvr_bench.methods import MethodError, create, describe
from rlvr_bench.methods.base.singular import components, leading, trailing
from rlvr_bench.methods.low_rank.starts import Matrix, geometric, minor, null_space, orthonormal
from rlvr_bench.methods.low_rank.variants import Geora, LoraNull, Milora, Rlmo, Rlpo

SIZES = [(32, 32), (16, 32), (64, 24), (24, 64)]
TYPES = ("milora", "rlpo", "rlmo", "geora", "lora-null", "oplora", "lora-xs")

SHAPES = {
    "model.embed_tokens.weight": (64, 32),
    "model.layers.0.self_attn.k_proj.weight": (16, 32),
    "model.layers.0.mlp.down_proj.weight": (32, 64),
    "model.norm.weight": (32,),
}


def gaussian(size: tuple[int, int], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=size)


def with_spectrum(size: tuple[int, int], values: np.ndarray) -> np.ndarray:
    """A matrix with these singular values and random singular vectors."""
    u, _, vt = np.linalg.svd(gaussian(size), full_matrices=False)
    return (u * values) @ vt


def svd(weight: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return np.linalg.svd(weight, full_matrices=False)


def part(weight: np.ndarray, picked: list[int]) -> np.ndarray:
    u, s, vt = svd(weight)
    return (u[:, picked] * s[picked]) @ vt[picked]


def matrix(weight: np.ndarray, **more) -> Matrix:
    return Matrix(torch.from_numpy(weight), more.pop("path", "a.b"), more.pop("seed", 0), **more)


def pair(factors) -> tuple[np.ndarray, np.ndarray]:
    return factors[0].numpy(), factors[1].numpy()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("pick", [leading, trailing])
def test_components_are_numpys_up_to_sign(size, pick):
    weight = gaussian(size)
    index = pick(torch.from_numpy(weight), 5)
    u, s, vt = (tensor.numpy() for tensor in components(torch.from_numpy(weight), index))
    wanted = svd(weight)
    np.testing.assert_allclose(s, wanted[1][index], rtol=1e-12)
    np.testing.assert_allclose((u * s) @ vt, part(weight, index.tolist()), atol=1e-11)
    np.testing.assert_allclose(u.T @ u, np.eye(5), atol=1e-12)
    np.testing.assert_allclose(vt @ vt.T, np.eye(5), atol=1e-12)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("smallest", [1e-2, 1e-6, 1e-12])
def test_small_components_of_an_ill_conditioned_matrix_are_exact(size, smallest):
    values = np.geomspace(1.0, smallest, min(size))
    weight = with_spectrum(size, values)
    u, s, vt = components(torch.from_numpy(weight), trailing(torch.from_numpy(weight), 4))
    np.testing.assert_allclose(s.numpy(), svd(weight)[1][-4:], rtol=1e-8, atol=1e-15)
    np.testing.assert_allclose((u.T @ u).numpy(), np.eye(4), atol=1e-9)
    np.testing.assert_allclose((vt @ vt.T).numpy(), np.eye(4), atol=1e-9)


def test_equal_singular_values_give_orthonormal_components_of_the_right_values():
    weight = with_spectrum((24, 24), np.repeat([3.0, 2.0, 1.0], 8))
    for pick, value in ((leading, 3.0), (trailing, 1.0)):
        u, s, vt = (t.numpy() for t in components(torch.from_numpy(weight), pick(torch.from_numpy(weight), 4)))
        np.testing.assert_allclose(s, value, rtol=1e-12)
        np.testing.assert_allclose(u.T @ u, np.eye(4), atol=1e-10)
        np.testing.assert_allclose(weight @ vt.T, u * s, atol=1e-10)


@pytest.mark.parametrize("rank", [1, 5, 16])
@pytest.mark.parametrize("size", SIZES)
def test_milora_starts_from_the_smallest_singular_part_in_equal_shares(size, rank):
    weight = gaussian(size)
    side = min(size)
    a, b = pair(minor(Milora(rank=rank), matrix(weight)))
    assert a.shape == (rank, size[1]) and b.shape == (size[0], rank)
    np.testing.assert_allclose(b @ a, part(weight, list(range(side - rank, side))), atol=1e-10)
    for gram in (a @ a.T, b.T @ b):
        np.testing.assert_allclose(gram, np.diag(svd(weight)[1][side - rank :]), atol=1e-10)


@pytest.mark.parametrize("rank", [1, 5, 16])
@pytest.mark.parametrize("size", SIZES)
def test_rlpo_and_rlmo_start_from_orthonormal_right_singular_vectors_and_zero(size, rank):
    weight, side = gaussian(size), min(size)
    vt = svd(weight)[2]
    for kind, rows in ((Rlpo, slice(0, rank)), (Rlmo, slice(side - rank, side))):
        a, b = pair(orthonormal(kind(rank=rank), matrix(weight)))
        assert b.shape == (size[0], rank) and not b.any()
        np.testing.assert_allclose(a @ a.T, np.eye(rank), atol=1e-10)
        np.testing.assert_allclose(a.T @ a, vt[rows].T @ vt[rows], atol=1e-9)


def geora_part(weight: np.ndarray, rank: int, density: float, picked: list[int]) -> np.ndarray:
    """GeoRA's equations, entry by entry."""
    reconstruction = np.abs(part(weight, list(range(rank))))
    count = round(density * weight.size)
    kept = np.zeros(weight.shape, dtype=bool)
    for magnitude in (reconstruction, np.abs(weight)):
        kept |= magnitude <= np.sort(magnitude.ravel())[count - 1]
    return part(np.where(kept, weight, 0), picked)


@pytest.mark.parametrize("density", [0.05, 0.2, 0.7])
@pytest.mark.parametrize("size", SIZES)
def test_geora_starts_from_the_principal_part_of_the_masked_matrix(size, density):
    weight, side = gaussian(size), min(size)
    a, b = pair(geometric(Geora(rank=6, density=density), matrix(weight)))
    np.testing.assert_allclose(b @ a, geora_part(weight, 6, density, list(range(6))), atol=1e-9)
    np.testing.assert_allclose(a @ a.T, b.T @ b, atol=1e-9)
    a, b = pair(geometric(Geora(rank=6, density=density, start="tail"), matrix(weight)))
    np.testing.assert_allclose(b @ a, geora_part(weight, 6, density, list(range(side - 6, side))), atol=1e-9)


def test_geora_takes_all_entries_that_tie_with_the_threshold():
    weight = np.round(gaussian((32, 32)) * 4) / 4
    assert (np.abs(weight) == 0.25).sum() > 100
    a, b = pair(geometric(Geora(rank=4, density=0.15), matrix(weight)))
    np.testing.assert_allclose(b @ a, geora_part(weight, 4, 0.15, list(range(4))), atol=1e-9)


def test_the_random_control_of_geora_takes_whole_components_drawn_by_seed_and_path():
    weight = gaussian((16, 24))
    masked = geora_part(weight, 4, 0.2, list(range(16)))
    u, s, vt = svd(masked)

    def drawn(**more) -> list[int]:
        a, b = pair(geometric(Geora(rank=4, start="random"), matrix(weight, **more)))
        weights = np.diag(u.T @ b @ a @ vt.T)
        chosen = np.flatnonzero(np.abs(weights - s) < 1e-8).tolist()
        np.testing.assert_allclose(b @ a, (u[:, chosen] * s[chosen]) @ vt[chosen], atol=1e-9)
        return chosen

    draws = [drawn(seed=seed, path=path) for seed in range(20) for path in ("a", "b")]
    assert all(len(set(draw)) == 4 for draw in draws)
    assert drawn(seed=3, path="a") == drawn(seed=3, path="a")
    assert len({tuple(draw) for draw in draws}) > 30
    assert {index for draw in draws for index in draw} == set(range(16))


@pytest.mark.parametrize("size", SIZES)
def test_lora_null_starts_from_what_the_matrix_does_in_the_null_frame(size):
    weight = gaussian(size)
    frame = np.linalg.qr(gaussian((size[1], 5), seed=1))[0].T
    a, b = pair(null_space(LoraNull(), matrix(weight, null_frame=torch.from_numpy(frame))))
    np.testing.assert_allclose(b @ a, weight @ frame.T @ frame, atol=1e-10)
    np.testing.assert_allclose(a @ a.T, b.T @ b, atol=1e-10)
    np.testing.assert_allclose(a, a @ frame.T @ frame, atol=1e-10)


def test_expected_tensors_follow_from_shapes():
    targets = {"targets": ["k_proj", "down_proj"]}
    k, down = "model.layers.0.self_attn.k_proj", "model.layers.0.mlp.down_proj"

    def lora(path: str, letter: str) -> str:
        return f"base_model.model.{path}.lora_{letter}.default.weight"

    both = {lora(k, "A"): (4, 32), lora(k, "B"): (16, 4), lora(down, "A"): (4, 64), lora(down, "B"): (32, 4)}
    for kind in ("milora", "rlpo", "rlmo", "geora", "lora-null"):
        assert create({"type": kind, "rank": 4, **targets}).expected_trainable(SHAPES) == both
    frozen = create({"type": "lora-null", "rank": 4, "freeze_down": True, **targets}).expected_trainable(SHAPES)
    assert frozen == {name: shape for name, shape in both.items() if "lora_B" in name}
    assert create({"type": "oplora", "rank": 4, **targets}).expected_trainable(SHAPES) == {
        f"{k}.down": (4, 32),
        f"{k}.up": (16, 4),
        f"{down}.down": (4, 64),
        f"{down}.up": (32, 4),
    }
    xs = create({"type": "lora-xs", "rank": 7, **targets}).expected_trainable(SHAPES)
    assert xs == {f"{k}.core": (7, 7), f"{down}.core": (7, 7)}


@pytest.mark.parametrize("kind", TYPES)
def test_a_rank_without_room_is_refused_in_one_sentence_from_shapes_alone(kind):
    limit = 8 if kind == "oplora" else 16  # with as many protected directions
    method = create({"type": kind, "rank": limit, "targets": ["k_proj", "down_proj"]})
    assert method.expected_trainable(SHAPES)
    method = create({"type": kind, "rank": limit + 1, "targets": ["k_proj", "down_proj"]})
    with pytest.raises(MethodError, match=r"smaller side of model.layers.0.self_attn.k_proj \(16 x 32\)") as refused:
        method.expected_trainable(SHAPES)
    assert "at most 16" in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"type": "geora", "density": 0}, ["density = 0", "greater than 0"]),
        ({"type": "geora", "start": "tial"}, ["'tial'", "'tail'"]),
        ({"type": "oplora", "protect": 3}, ['"protect"', "did you mean 'protected'"]),
        ({"type": "lora-xs", "rank": 0}, ["rank = 0"]),
        ({"type": "loranull"}, ["did you mean 'lora-null'"]),
        ({"type": "rlpo", "alpha": 0}, ["alpha = 0"]),
    ],
)
def test_a_wrong_setting_is_one_sentence_with_the_fix(settings, words):
    with pytest.raises(MethodError) as caught:
        create(settings)
    assert all(word in str(caught.value) for word in words)


def test_what_each_method_declares():
    moving = {kind for kind in TYPES if create({"type": kind}).changes_base}
    assert moving == {"milora", "geora", "lora-null"}
    assert {kind for kind in TYPES if create({"type": kind}).depends_on_seed} == {"oplora"}
    assert create({"type": "geora", "start": "random"}).depends_on_seed
    assert {kind for kind in TYPES if create({"type": kind}).needs_calibration} == {"lora-null"}
    assert {describe(kind).family for kind in TYPES} == {"low-rank"}
    assert create({"type": "rlpo"}).adapter_fields()["lora_alpha"] == 32
    assert create({"type": "milora", "rank": 5}).adapter_fields()["lora_alpha"] == 5


@pytest.mark.parametrize("kind", ["geora", "lora-null"])
def test_the_rates_that_are_searched_reach_beyond_the_best_one_that_was_measured(kind):
    low, high = describe(kind).learning_rates
    assert low < 1e-5 and high >= 3 * 3e-3


def test_validating_and_counting_imports_no_torch():
    code = (
        "import sys, rlvr_bench.methods as methods\n"
        f"for kind in {TYPES!r}:\n"
        "    methods.create({'type': kind, 'rank': 2}).expected_trainable({'a.q_proj.weight': (8, 8)})\n"
        "    methods.describe(kind)\n"
        "print('torch' in sys.modules or 'peft' in sys.modules or 'numpy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
