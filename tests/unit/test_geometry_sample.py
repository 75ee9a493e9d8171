"""The sample of a large model's matrices: what it takes, what it leaves out, and how near it is to all of them."""

import subprocess
import sys
from math import prod

import pytest
import torch

from rlvr_bench.experiment.measurements import resolve
from rlvr_bench.geometry.cell import cell_geometry
from rlvr_bench.geometry.cost import figure_flops, full_flops, in_words
from rlvr_bench.geometry.measurements import settings_of_a_cell
from rlvr_bench.geometry.precision import sparsity_absolute, sparsity_fp32
from rlvr_bench.geometry.sample import FLOPS_PER_PARAMETER, SMALL_FLOPS, Sample, draw_sample
from rlvr_bench.geometry.sizes import sizes
from rlvr_bench.models.shapes import parameter_shapes
from rlvr_bench.models.source import WEIGHTS, organism_names

Shapes = dict[str, tuple[int, ...]]


def model_of(layers: int, width: int, vocabulary: int) -> Shapes:
    """The shapes of a Llama-like decoder with tied embeddings."""
    kinds = {"q_proj": (width, width), "k_proj": (width // 4, width), "up_proj": (3 * width, width)}
    shapes: Shapes = {"embed_tokens.weight": (vocabulary, width)}
    for layer in range(layers):
        shapes |= {f"layers.{layer}.{kind}.weight": shape for kind, shape in kinds.items()}
        shapes |= {f"layers.{layer}.norm.weight": (width,)}
    return shapes


def pairs_of(shapes: Shapes):
    random = torch.Generator().manual_seed(0)
    for name, shape in shapes.items():
        before = torch.randn(shape, generator=random) / shape[-1] ** 0.5
        yield name, before, before + 2e-3 * before.std() * torch.randn(shape, generator=random)


def test_choosing_imports_no_torch() -> None:
    code = "import sys, rlvr_bench.geometry.sample; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("name", organism_names())
def test_an_organism_is_measured_in_full(name: str) -> None:
    shapes = parameter_shapes(WEIGHTS / name)
    assert draw_sample(shapes, settings_of_a_cell(shapes), 1) is None


@pytest.mark.parametrize(
    ("shapes", "completions"),
    [(model_of(30, 576, 49152), 960), (model_of(24, 896, 151936), 960), (model_of(32, 4096, 128256), 20_000)],
)
def test_a_sample_keeps_to_its_budget_and_spreads_over_depth(shapes: Shapes, completions: int) -> None:
    settings = settings_of_a_cell(shapes)
    sample = draw_sample(shapes, settings, completions)
    assert sample is not None
    budget = max(SMALL_FLOPS, FLOPS_PER_PARAMETER * completions * sum(map(prod, shapes.values())))
    assert sample.flops <= budget < full_flops(shapes.values(), settings)
    assert sample == draw_sample(shapes, settings, completions)
    layers = sample.as_json()["measured"]
    assert layers.keys() >= {"q_proj", "k_proj", "up_proj"}
    several = layers["k_proj"]
    assert len(several) == len(set(several)) >= 2
    assert max(several) - min(several) > max(sample.matrices // 3 // 3, 1)
    assert sample.null_weights.keys() <= sample.weights.keys()
    for kind in layers:
        stands_for = sum(weight for name, weight in sample.weights.items() if f".{kind}." in name)
        assert stands_for == pytest.approx(sum(f".{kind}." in name for name in shapes))


def test_a_sampled_matrix_has_its_exact_figures_and_sizes_are_those_of_all() -> None:
    shapes = model_of(8, 32, 60)
    settings = settings_of_a_cell(shapes)
    names = [f"layers.{layer}.{kind}.weight" for kind in ("q_proj", "k_proj", "up_proj") for layer in (1, 4, 6)]
    weights = dict.fromkeys(names, 8 / 3)
    sample = Sample(weights, dict.fromkeys(names[::2], 4.0), 25, 0.0)
    sampled = cell_geometry(pairs_of(shapes), settings, sample)
    full = cell_geometry(pairs_of(shapes), settings)
    for name in ("entries", "matrices", "sparsity_bf16", "sparsity_fp32", "sparsity_1e_5"):
        assert sampled[name] == full[name]
    assert sampled["relative_norm"] == pytest.approx(full["relative_norm"], rel=1e-5)
    for layer, kind in ((4, "q_proj"), (1, "up_proj")):
        assert sampled["by_layer"][str(layer)][kind] == full["by_layer"][str(layer)][kind]
    assert sampled["by_layer"]["2"]["q_proj"]["principal_angle_max_deg"] is None
    for name in ("stable_rank", "principal_energy_joint", "spectral_shift", "principal_angle_max_deg_mean"):
        assert sampled[name] == pytest.approx(full[name], rel=0.3), name
    assert sampled["principal_angle_max_deg"] <= full["principal_angle_max_deg"]
    assert sampled["settings"]["sample"]["measured"]["q_proj"] == [1, 4, 6]
    assert "sample" not in full["settings"]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_sizes_in_blocks_are_those_of_the_whole(monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype) -> None:
    monkeypatch.setattr("rlvr_bench.geometry.sizes.BLOCK", 100)
    ((_, before, after),) = pairs_of({"w": (37, 21)})
    before, after = before.to(dtype), torch.where(before > 0, before, after).to(dtype)
    base_norm, found = sizes(before, after)
    assert found["sparsity_bf16"] == float((before.bfloat16() == after.bfloat16()).double().mean())
    assert found["sparsity_fp32"] == sparsity_fp32(before, after)
    assert found["sparsity_1e_5"] == sparsity_absolute(before, after)
    norm = float(torch.linalg.vector_norm(after.double() - before.double()))
    assert (base_norm, found["update_norm"]) == pytest.approx((float(before.double().norm()), norm), rel=1e-6)


def test_a_mean_counts_each_kind_as_often_as_the_model_has_it() -> None:
    """Three of eight narrow matrices and all of eight wide ones: their stable ranks differ, the mean is the model's."""
    shapes = {f"layers.{layer}.{kind}.weight": (rows, 64) for layer in range(8) for kind, rows in (("a", 4), ("b", 64))}
    settings = settings_of_a_cell(shapes)
    weights = {name: 1.0 if ".b." in name else 8 / 3 for name in shapes if ".b." in name or name[7] in "036"}
    sampled = cell_geometry(pairs_of(shapes), settings, Sample(weights, {}, 16, 0.0))
    full = cell_geometry(pairs_of(shapes), settings)
    assert sampled["stable_rank"] == pytest.approx(full["stable_rank"], rel=0.02)


def test_costs_grow_with_the_matrix_and_are_said_in_words() -> None:
    settings = settings_of_a_cell({"w": (8, 8)})
    assert figure_flops((64, 64), settings) < figure_flops((64, 640), settings) < figure_flops((640, 640), settings)
    assert [in_words(each) for each in (0.1, 40, 200, 9000)] == [
        "about 1 s",
        "about 40 s",
        "about 3 min",
        "about 2.5 h",
    ]


def test_an_extent_is_a_text_and_off_leaves_the_geometry_out() -> None:
    assert resolve({"geometry": "full"})["geometry"] == {"extent": "full"}
    assert resolve({})["geometry"] == {"extent": "sample"}
    assert "geometry" not in resolve({"geometry": "off"})
    with pytest.raises(ValueError, match="extent"):
        resolve({"geometry": "some"})
