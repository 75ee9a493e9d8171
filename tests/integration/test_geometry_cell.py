"""The geometry of a cell: figures, nulls and samples of a tuned tiny model, also of a changed base."""

import json
from typing import Any

import numpy as np
import pytest
import torch
from generate_models import tiny_model
from transformers import PreTrainedModel

from rlvr_bench.experiment.errors import ExperimentError
from rlvr_bench.experiment.interventions import changed_fingerprint, resolve
from rlvr_bench.geometry.cell import cell_geometry, in_a_cell
from rlvr_bench.geometry.mask_sample import cell_masks, places
from rlvr_bench.geometry.packed_masks import unpack
from rlvr_bench.studies.gates.head_basis import PermutedHeads, RotatedHeads, intervene, rotation
from rlvr_bench.studies.gates.interventions import PermuteHeads, RotateHeads
from rlvr_bench.studies.gates.rank_one import rank_one_model

TOP = {
    "sparsity_bf16", "spectral_shift", "principal_angle_max_deg", "relative_norm", "principal_overlap",
    "principal_lift", "low_magnitude_overlap", "low_magnitude_lift", "principal_energy_joint", "stable_rank",
}  # fmt: skip


def _tuned(base: PreTrainedModel, seed: int = 1) -> list[tuple[str, torch.Tensor, torch.Tensor]]:
    generator = torch.Generator().manual_seed(seed)
    return [
        (name, tensor.detach(), tensor.detach() + 1e-3 * torch.randn(tensor.shape, generator=generator))
        for name, tensor in base.named_parameters()
    ]


def test_a_record_holds_figures_nulls_types_and_layers() -> None:
    model = tiny_model("llama, tied")
    found = cell_geometry(_tuned(model), in_a_cell(model))
    assert found.keys() >= TOP | {"null", "by_type", "by_layer", "settings"}
    assert all(isinstance(found[name], float) for name in TOP)
    assert set(found["by_type"]) >= {"q_proj", "o_proj", "down_proj"}
    assert found["by_type"]["q_proj"]["lift"]["principal_energy_joint"] == pytest.approx(1.0, abs=0.5)
    assert set(found["by_layer"]["0"]["v_proj"]) == {"sparsity_bf16", "relative_norm", "principal_angle_max_deg"}
    assert set(cell_masks(_tuned(model), "cell")) == {"changed"}
    assert len(json.dumps(found, allow_nan=False)) < 60_000


def test_a_bias_that_a_method_added_is_compared_with_zeros() -> None:
    model = tiny_model("llama, tied")
    pairs = [(name, before, before) for name, before, _ in _tuned(model)]
    added = ("model.layers.0.mlp.down_proj.bias", torch.zeros(24), torch.full((24,), 0.5))
    found = cell_geometry([*pairs, added], in_a_cell(model))
    assert found["update_norm"] == pytest.approx(0.5 * 24**0.5)
    assert found["sparsity_bf16"] == pytest.approx(1 - 24 / found["entries"])
    assert found["visibility_margin_median"] is None


@pytest.mark.parametrize(
    "change", [RotatedHeads(RotateHeads(layers=(0,), seed=3)), PermutedHeads(PermuteHeads(layers=(0,), seed=3))]
)
def test_updates_of_a_changed_base_are_sampled_in_both_coordinates(change) -> None:  # type: ignore[no-untyped-def]
    """The same update made in either basis changes the same entries once it is taken back."""
    model = tiny_model("llama, tied")
    plain = _tuned(model)
    tuned = tiny_model("llama, tied")
    with torch.no_grad():
        for (_, _, after), parameter in zip(plain, tuned.parameters(), strict=True):
            parameter.copy_(after)
    changed = change.change_base(model)
    turned = zip(changed.named_parameters(), intervene(tuned, change.bases(model)).parameters(), strict=True)
    pairs = [(name, before.detach(), after.detach()) for (name, before), after in turned]
    straight = cell_masks(plain, "cell")["changed"]
    found = cell_masks(pairs, "cell", [change])
    name = "model.layers.0.self_attn.v_proj.weight"
    masks = [
        unpack(sample[name]["update"], sample[name]["places"])
        for sample in (straight, found["restored"], found["changed"])
    ]
    assert (masks[0] == masks[1]).mean() > 0.99  # float32 rounding of the rotation moves an entry over the edge
    assert (masks[0] == masks[2]).mean() < 0.97
    other = "model.layers.1.self_attn.v_proj.weight"
    assert found["restored"][other] == found["changed"][other] == straight[other]
    assert len(places(name, plain[0][1].numel())) <= 1024


def test_a_rank_one_model_has_the_leading_direction_of_each_update() -> None:
    model = tiny_model("llama, tied")
    cut = rank_one_model(model, pairs := _tuned(model))
    for (name, before, after), parameter in zip(pairs, cut.parameters(), strict=True):
        got = (parameter.detach() - before).double().numpy()
        if before.ndim != 2:
            assert torch.equal(parameter, after), name
            continue
        left, values, right = np.linalg.svd((after - before).double().numpy(), full_matrices=False)
        wanted = values[0] * np.outer(left[:, 0], right[0])
        assert np.abs(got - wanted).max() < 1e-6, name


def test_an_intervention_is_a_base_of_its_own() -> None:
    tables: list[dict[str, dict[str, Any]]] = [
        {},
        {"rotate_heads": {"layers": [1]}},
        {"rotate_heads": {"layers": [1], "seed": 1}},
        {"permute_heads": {"layers": [1]}},
        {"rotate_heads": {"layers": [1]}, "permute_heads": {"layers": [1]}},
    ]
    assert len({changed_fingerprint("weights", table) for table in tables}) == len(tables)
    assert changed_fingerprint("weights", {"merge_in_place": {}}) == "weights"
    with pytest.raises(ExperimentError, match="layers"):
        resolve({"rotate_heads": True})
    model = tiny_model("llama, untied, grouped queries")
    (made,) = RotatedHeads(RotateHeads(layers=(1,))).bases(model)
    assert made.layer == 1 and torch.equal(made.rotation, rotation(model, 1, 1).rotation)
