import copy
import dataclasses

import numpy as np
import pytest
import torch
from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING
from tiny_models import METHODS, PEFT_ONLY, batch, label, llama, tied_qwen, train

from rlvr_bench.methods import MethodError, create
from rlvr_bench.methods.base.plain import last_logits
from rlvr_bench.methods.peft import catalog as peft_catalog

EVERY = pytest.mark.parametrize("settings", METHODS + PEFT_ONLY, ids=label)
MODELS = pytest.mark.parametrize("make", [llama, tied_qwen])


def tensors(handle) -> dict[str, torch.Tensor]:
    return {name: parameter.detach().clone() for name, parameter in handle.trainable()}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@EVERY
@MODELS
def test_attaching_changes_no_logit_and_no_global_random_state(make, settings):
    base = make()
    wanted, state = last_logits(base, batch()), torch.get_rng_state()
    handle = create(settings).attach(base, seed=0)
    assert torch.equal(torch.get_rng_state(), state)
    torch.testing.assert_close(last_logits(handle.model, batch()), wanted, rtol=0, atol=1e-5)
    assert handle.total_parameters == make().num_parameters()
    assert all(parameter.dtype == torch.float32 for _, parameter in handle.trainable())


@EVERY
def test_the_seed_alone_decides_the_start(settings):
    method = create(settings)
    torch.manual_seed(1)
    one = tensors(method.attach(llama(), seed=7))
    torch.manual_seed(2)
    assert same(one, tensors(method.attach(llama(), seed=7)))


@pytest.mark.parametrize("settings", METHODS, ids=label)
def test_another_seed_gives_another_start_where_the_method_says_so(settings):
    method = create(settings)
    start = [method.attach(llama(), seed=seed).stored_tensors() for seed in (7, 8)]
    assert same(*start) != method.depends_on_seed


@EVERY
@MODELS
def test_rollout_weights_are_the_trained_model_on_a_plain_one(make, settings):
    handle = create(settings).attach(make(), seed=0)
    train(handle)
    trained = last_logits(handle.model, batch())
    live = {name: tensor.detach().clone() for name, tensor in handle.model.state_dict().items()}
    with handle.rollout_weights() as plain:
        assert type(plain) is type(make())
        assert [name for name, _ in plain.named_parameters()] == [name for name, _ in make().named_parameters()]
        torch.testing.assert_close(last_logits(plain, batch()), trained, rtol=0, atol=1e-5)
        assert not plain.training
    assert same(live, dict(handle.model.state_dict()))
    assert torch.equal(last_logits(handle.model, batch()), trained)


@EVERY
def test_an_exception_inside_a_rollout_leaves_every_bit(settings):
    handle = create(settings).attach(llama(), seed=0)
    train(handle, steps=1)
    last_logits(handle.model, batch())  # a mask writes the step's values into its weight in the next forward pass
    live = {name: tensor.detach().clone() for name, tensor in handle.model.state_dict().items()}
    with pytest.raises(KeyboardInterrupt), handle.rollout_weights():
        raise KeyboardInterrupt
    assert same(live, dict(handle.model.state_dict()))
    train(handle, steps=1)


@EVERY
@MODELS
def test_effective_weights_in_a_plain_model_give_the_same_logits(make, settings):
    handle = create(settings).attach(make(), seed=0)
    train(handle)
    plain = make()
    weights = dict(handle.effective_weights())
    assert weights.keys() == dict(plain.named_parameters()).keys()
    assert all(tensor.dtype == torch.float32 for tensor in weights.values())
    plain.load_state_dict(weights, strict=False)
    torch.testing.assert_close(last_logits(plain, batch()), last_logits(handle.model, batch()), rtol=0, atol=1e-5)


@EVERY
def test_export_and_load_give_the_same_logits(settings, tmp_path):
    method = create(settings)
    handle = method.attach(llama(), seed=3)
    train(handle)
    handle.export(tmp_path)
    again = method.attach(llama(), seed=3)
    again.load(tmp_path)
    assert torch.equal(last_logits(again.model, batch()), last_logits(handle.model, batch()))
    assert {path.suffix for path in tmp_path.iterdir()} == {".safetensors", ".json"}


def test_loading_what_does_not_fit_says_why(tmp_path):
    create({"type": "lora", "rank": 4}).attach(llama(), seed=3).export(tmp_path)
    other = create({"type": "lora", "rank": 4}).attach(llama(), seed=4)
    with pytest.raises(MethodError, match="'seed': 3"):
        other.load(tmp_path)
    with pytest.raises(MethodError, match=r"no readable method\.json"):
        other.load(tmp_path / "nothing")
    handle = create({"type": "lora", "rank": 4}).attach(llama(), seed=3)
    (tmp_path / "trainable.safetensors").write_bytes(b"torn")
    with pytest.raises(MethodError, match="no whole safetensors file"):
        handle.load(tmp_path)


@EVERY
def test_a_step_with_a_zero_gradient_and_no_decay_changes_nothing(settings):
    handle = create(settings).attach(llama(), seed=0)
    before = tensors(handle)
    optimizer = torch.optim.AdamW(handle.parameter_groups(1e-2, 0.0))
    for _, parameter in handle.trainable():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    assert same(before, tensors(handle))


def test_weight_decay_spares_norms_and_biases():
    handle = create({"type": "full"}).attach(tied_qwen(), seed=0)
    decayed, spared = handle.parameter_groups(1e-3, 0.1)
    assert (decayed["weight_decay"], spared["weight_decay"]) == (0.1, 0.0)
    names = {id(parameter): name for name, parameter in handle.trainable()}
    kept = {names[id(parameter)] for parameter in spared["params"]}
    assert kept == {name for name in names.values() if "norm" in name or name.endswith("bias")}
    assert len(decayed["params"]) + len(spared["params"]) == len(names)


def test_pissa_moves_the_top_singular_part_into_the_adapter():
    base, handle = llama(), create({"type": "pissa", "rank": 4}).attach(llama(), seed=0)
    assert handle.changes_base
    weight = base.model.layers[0].mlp.up_proj.weight.detach().double().numpy()
    layer = handle.live.model.layers[0].mlp.up_proj
    u, s, vt = np.linalg.svd(weight, full_matrices=False)
    top = (u[:, :4] * s[:4]) @ vt[:4]
    delta = (layer.lora_B["default"].weight @ layer.lora_A["default"].weight).detach().double().numpy()
    np.testing.assert_allclose(delta, top, atol=1e-6)
    np.testing.assert_allclose(layer.base_layer.weight.detach().double().numpy(), weight - top, atol=1e-6)


def test_pissa_on_a_bfloat16_base_is_bit_exact_after_many_rollouts():
    handle = create({"type": "pissa", "rank": 4}).attach(llama().to(torch.bfloat16), seed=0)
    frozen = {name: tensor.clone() for name, tensor in handle.frozen_tensors()}
    for _ in range(20):
        with handle.rollout_weights() as plain:
            assert plain.dtype == torch.bfloat16
    assert same(frozen, dict(handle.frozen_tensors()))


def test_a_merge_in_place_by_other_code_is_refused():
    handle = create({"type": "lora", "rank": 4}).attach(llama(), seed=0)
    handle.model.merge_adapter()
    with pytest.raises(MethodError, match="merged in place"), handle.rollout_weights():
        pass


def test_merging_under_autocast_stays_float32():
    handle = create({"type": "lora", "rank": 4}).attach(llama(), seed=0)
    train(handle)
    wanted = dict(handle.effective_weights())
    with torch.autocast("cpu", torch.bfloat16):
        assert same(wanted, dict(handle.effective_weights()))
        with handle.rollout_weights() as plain:
            assert same(wanted, {name: tensor.detach() for name, tensor in plain.named_parameters()})


def test_walking_over_effective_weights_leaves_gradients_on():
    handle = create({"type": "lora", "rank": 4}).attach(llama(), seed=0)
    for _ in handle.effective_weights():
        assert torch.is_grad_enabled()


def test_the_adapter_of_a_trainer_is_not_exported(tmp_path):
    method = create({"type": "lora", "rank": 4})
    handle = method.attach(llama(), seed=0)
    handle.model.add_adapter("ref", handle.config)
    handle.model.set_adapter("default")
    train(handle)
    handle.export(tmp_path)
    again = method.attach(llama(), seed=0)
    again.load(tmp_path)
    assert torch.equal(last_logits(again.model, batch()), last_logits(handle.model, batch()))


def test_prompt_tuning_is_declared_unmergeable_and_rolls_out_unmerged():
    handle = create({"type": "peft", "peft_type": "PROMPT_TUNING", "num_virtual_tokens": 4}).attach(llama(), seed=0)
    assert not handle.mergeable
    train(handle)
    trained = last_logits(handle.model, batch())
    with handle.rollout_weights() as model:
        assert not model.training
        assert torch.equal(last_logits(model, batch()), trained)
        assert model.generate(input_ids=batch(), max_new_tokens=2).shape[0] == 4
    assert handle.model.training


def test_adalora_really_reallocates_its_ranks():
    settings = {"type": "peft", "peft_type": "ADALORA", "init_r": 4, "target_r": 1, "total_step": 12, "tinit": 1}
    handle = create({**settings, "tfinal": 2, "deltaT": 1}).attach(llama(), seed=0)
    train(handle, steps=12)
    kept = [int((m.lora_E["default"] != 0).sum()) for m in handle.live.modules() if hasattr(m, "lora_E")]
    assert sum(kept) < 4 * len(kept)


def test_an_adapter_that_would_untie_embeddings_is_refused():
    method = create({"type": "peft", "peft_type": "LORA", "r": 2, "modules_to_save": ["embed_tokens"]})
    with pytest.raises(MethodError, match="untie"):
        method.attach(tied_qwen(), seed=0)
    assert method.attach(llama(), seed=0).mergeable


def test_what_peft_refuses_is_said_in_its_words():
    with pytest.raises(MethodError, match="PEFT cannot put C3A on LlamaForCausalLM"):
        create({"type": "peft", "peft_type": "C3A", "block_size": 7}).attach(llama(), seed=0)
    with pytest.raises(MethodError, match="PEFT refuses the ADALORA settings"):
        create({"type": "peft", "peft_type": "ADALORA", "total_step": -1}).attach(llama(), seed=0)


def test_the_catalogue_read_from_source_is_what_peft_has():
    real = {kind.value: config for kind, config in PEFT_TYPE_TO_CONFIG_MAPPING.items()}
    assert set(peft_catalog.peft_types()) == set(real)
    for kind, config in real.items():
        assert peft_catalog.config_fields(kind) == {field.name for field in dataclasses.fields(config)}, kind


def test_lora_matches_pefts_own_merge():
    handle = create({"type": "lora", "rank": 4, "alpha": 8}).attach(llama(), seed=0)
    train(handle)
    merged = copy.deepcopy(handle.model).merge_and_unload()
    for name, tensor in handle.effective_weights():
        torch.testing.assert_close(tensor, merged.get_parameter(name).detach(), rtol=1e-6, atol=1e-7)
