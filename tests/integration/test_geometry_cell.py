"""The geometry of a cell: figures, nulls and samples of a tuned tiny model, also of a changed base."""

import json

import numpy as np
import pytest
import torch
from generate_models import tiny_model
from transformers import PreTrainedModel

from rlvr_bench.geometry.cell import cell_geometry, in_a_cell
from rlvr_bench.geometry.mask_sample import places
from rlvr_bench.geometry.packed_masks import unpack
from rlvr_bench.geometry.rank_one import rank_one_model
from rlvr_bench.models.config import BaseConfig
from rlvr_bench.models.fingerprint import fingerprint
from rlvr_bench.models.interventions import head_permutation, intervene, of_config, rotation

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


def test_a_record_holds_figures_nulls_types_layers_and_samples() -> None:
    model = tiny_model("llama, tied")
    found = cell_geometry(_tuned(model), in_a_cell(model), "cell")
    assert found.keys() >= TOP | {"null", "by_type", "by_layer", "changed_sample", "settings"}
    assert all(isinstance(found[name], float) for name in TOP)
    assert set(found["by_type"]) >= {"q_proj", "o_proj", "down_proj"}
    assert found["by_type"]["q_proj"]["lift"]["principal_energy_joint"] == pytest.approx(1.0, abs=0.5)
    assert set(found["by_layer"]["0"]["v_proj"]) == {"sparsity_bf16", "relative_norm", "principal_angle_max_deg"}
    assert "changed_sample_restored" not in found
    assert len(json.dumps(found, allow_nan=False)) < 60_000


def test_a_bias_that_a_method_added_is_compared_with_zeros() -> None:
    model = tiny_model("llama, tied")
    pairs = [(name, before, before) for name, before, _ in _tuned(model)]
    added = ("model.layers.0.mlp.down_proj.bias", torch.zeros(24), torch.full((24,), 0.5))
    found = cell_geometry([*pairs, added], in_a_cell(model), "cell")
    assert found["update_norm"] == pytest.approx(0.5 * 24**0.5)
    assert found["sparsity_bf16"] == pytest.approx(1 - 24 / found["entries"])
    assert found["visibility_margin_median"] is None


@pytest.mark.parametrize("change", [rotation, head_permutation])
def test_updates_of_a_changed_base_are_sampled_in_both_coordinates(change) -> None:  # type: ignore[no-untyped-def]
    """The same update made in either basis changes the same entries once it is taken back."""
    model = tiny_model("llama, tied")
    interventions = [change(model, 0, 3)]
    plain = _tuned(model)
    tuned = tiny_model("llama, tied")
    with torch.no_grad():
        for (_, _, after), parameter in zip(plain, tuned.parameters(), strict=True):
            parameter.copy_(after)
    turned = zip(
        intervene(model, interventions).named_parameters(), intervene(tuned, interventions).parameters(), strict=True
    )
    pairs = [(name, before.detach(), after.detach()) for (name, before), after in turned]
    straight = cell_geometry(plain, in_a_cell(model), "cell")["changed_sample"]
    found = cell_geometry(pairs, in_a_cell(model), "cell", interventions)
    name = "model.layers.0.self_attn.v_proj.weight"
    masks = [
        unpack(sample[name]["update"], sample[name]["places"])
        for sample in (straight, found["changed_sample_restored"], found["changed_sample"])
    ]
    assert (masks[0] == masks[1]).mean() > 0.99  # float32 rounding of the rotation moves an entry over the edge
    assert (masks[0] == masks[2]).mean() < 0.97
    other = "model.layers.1.self_attn.v_proj.weight"
    assert found["changed_sample_restored"][other] == found["changed_sample"][other] == straight[other]
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
    plain = BaseConfig(name="organism-steps")
    turned = BaseConfig(name="organism-steps", intervention="rotate-heads", intervention_layers=(1,))
    again = turned.model_copy(update={"intervention_seed": 1})
    assert len({fingerprint(base) for base in (plain, turned, again)}) == 3
    with pytest.raises(ValueError, match="belong together"):
        BaseConfig(name="organism-steps", intervention="rotate-heads")
    model = tiny_model("llama, untied, grouped queries")
    assert of_config(model, plain) == []
    (made,) = of_config(model, turned)
    assert made.layer == 1 and torch.equal(made.rotation, rotation(model, 1, 1).rotation)
