"""Interventions leave the function as it is, and updates find their way back to the base's coordinates."""

import pytest
import torch
from generate_models import tiny_model
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedModel

from rlvr_bench.geometry.fisher import fisher_mass
from rlvr_bench.geometry.nulls import shown_in_bf16
from rlvr_bench.models.errors import ModelError
from rlvr_bench.studies.gates.head_basis import head_permutation, intervene, restored, role_of, rotation

MODELS = ["llama, untied, grouped queries", "llama, biases, llama3 rope", "llama, tied", "qwen2", "qwen3"]


def logits(model: PreTrainedModel) -> torch.Tensor:
    ids = torch.randint(5, 60, (3, 17), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        return model(input_ids=ids).logits


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-11), (torch.float32, 1e-4)])
@pytest.mark.parametrize("name", MODELS)
def test_logits_stay(name: str, dtype: torch.dtype, tolerance: float) -> None:
    model = tiny_model(name).to(dtype)
    before = logits(model)
    both = [rotation(model, 0, seed=1), head_permutation(model, 1, seed=2), rotation(model, 1, seed=3)]
    changed = intervene(model, both)
    assert float((logits(changed) - before).abs().max()) < tolerance * float(before.abs().max())
    for layer, intervention in ((0, both[:1]), (1, both[1:])):
        alone = intervene(model, intervention)
        for kept, (path, parameter) in zip(model.parameters(), alone.named_parameters(), strict=True):
            touched = role_of(path, layer) is not None
            rotated_only = layer == 0 and role_of(path, layer) in ("q", "k")
            assert torch.equal(kept, parameter) is (not touched or rotated_only), path


def test_a_rotation_alone_in_v_changes_the_logits() -> None:
    """The check above can fail: half of an intervention is not function-preserving."""
    model = tiny_model("llama, tied").double()
    before = logits(model)
    turned = rotation(model, 0, seed=1)
    with torch.no_grad():
        value = model.model.layers[0].self_attn.v_proj.weight
        value.copy_(turned.change("v", value))
    assert float((logits(model) - before).abs().max()) > 1e-3


def test_rotations_are_orthogonal_and_haar() -> None:
    model = tiny_model("qwen2")
    drawn = torch.stack([rotation(model, 0, seed).rotation for seed in range(400)])
    identity = torch.eye(12, dtype=torch.float64)
    assert torch.allclose(drawn @ drawn.mT, identity.expand(400, 12, 12), atol=1e-12)
    assert float(drawn.mean(dim=0).abs().max()) < 0.06  # mean 0: without the signs of R the diagonal is biased
    assert float((drawn.square().mean(dim=0) - 1 / 12).abs().max()) < 0.03
    assert torch.equal(rotation(model, 0, 5).rotation, drawn[5])


def test_updates_come_back_to_the_coordinates_of_the_base() -> None:
    model = tiny_model("llama, biases, llama3 rope").double()
    made = [head_permutation(model, 0, seed=2), rotation(model, 0, seed=3)]
    changed = intervene(model, made)
    base = {name: parameter.detach() for name, parameter in model.named_parameters()}
    for name, parameter in changed.named_parameters():
        assert torch.allclose(restored(name, parameter.detach(), made), base[name], atol=1e-12), name


def test_masks_are_compared_after_restoring() -> None:
    """The same update, made in a rotated basis: random overlap as it is stored, full overlap once it is taken back."""
    model = tiny_model("llama, tied").double()
    name = "model.layers.0.self_attn.v_proj.weight"
    turned = [rotation(model, 0, seed=3)]
    weight = model.get_parameter(name).detach()
    update = 2e-3 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    update[:24] *= 0.01
    stored = turned[0].change("v", weight + update) - turned[0].change("v", weight)
    own = shown_in_bf16(weight, update)[1]
    overlaps, cosines = [], []
    for other in (stored, restored(name, stored, turned)):
        changed = shown_in_bf16(weight, other)[1]
        overlaps.append(float((own & changed).sum() / (own | changed).sum()))
        cosines.append(float(torch.cosine_similarity(update.flatten(), other.flatten(), dim=0)))
    assert overlaps[0] < 0.8 and abs(cosines[0]) < 0.5
    assert overlaps[1] > 0.99 and cosines[1] == pytest.approx(1.0)


def test_models_whose_heads_are_not_alone_are_refused() -> None:
    model = tiny_model("llama, tied")
    with pytest.raises(ModelError, match=r"no model\.layers\.7"):
        rotation(model, 7, 0)
    model.model.layers[0].self_attn.register_parameter("sinks", torch.nn.Parameter(torch.zeros(4)))
    with pytest.raises(ModelError, match="sinks"):
        rotation(model, 0, 0)
    single = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=20, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=1,
            intermediate_size=16,
        )
    )  # fmt: skip
    with pytest.raises(ModelError, match="single key-value head"):
        head_permutation(single, 0, 0)


def test_fisher_mass() -> None:
    fisher, mask = torch.tensor([1.0, 2.0, 3.0, 4.0]), torch.tensor([False, False, False, True])
    assert fisher_mass(fisher, mask) == (0.4, 1.6)
    assert fisher_mass(fisher, ~mask & mask) == (0.0, None)
    assert fisher_mass(torch.zeros(4), mask) == (None, None)
