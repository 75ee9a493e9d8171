import json

import pytest
import torch
from tiny_models import METHODS, PEFT_ONLY, label, llama, tied_qwen, train

from rlvr_bench.methods import create
from rlvr_bench.methods.attestation import Attestation, begin, finish, observe
from rlvr_bench.methods.masks.mask import Mask
from rlvr_bench.methods.peft.method import Lora, Pissa


def attach(claimed, actual, base=None):
    """Attach `actual` and attest it as `claimed`."""
    base = base or llama()
    observation = observe(base, claimed)
    handle = actual.attach(base, seed=0)
    return handle, begin(claimed, handle, observation)


@pytest.mark.parametrize("make", [llama, tied_qwen])
@pytest.mark.parametrize("settings", METHODS + PEFT_ONLY, ids=label)
def test_an_honest_run_is_valid_and_its_record_survives_json(make, settings):
    method = create(settings)
    handle, record = attach(method, method, make())
    assert record.problems == []
    assert not record.valid
    optimizer = train(handle)
    for _ in range(2):
        with handle.rollout_weights():
            pass
    finish(record, handle, optimizer)
    assert record.problems == [] and record.valid
    assert record.frozen_hash_before == record.frozen_hash_after
    assert record.identity_error < 1e-5 and record.merge_error < 1e-5
    assert record.optimizer == "AdamW" and record.optimizer_dtypes == ["float32"]
    assert record.trainable_parameters == sum(torch.Size(t.shape).numel() for t in record.trainable)
    assert 0 < record.trainable_share == record.trainable_parameters / make().num_parameters()
    again = Attestation.model_validate(json.loads(record.model_dump_json()))
    assert again.model_dump() == record.model_dump()


def test_a_mask_records_the_density_it_got():
    method = Mask(select="safe", principal_share=0.5, low_share=0.5859)
    _, record = attach(method, method)
    assert 0.7 < record.realised["density"] < 0.8
    assert record.realised["density_min"] <= record.realised["density"] <= record.realised["density_max"]


def problems(record) -> str:
    return "; ".join(record.problems)


def test_claiming_pissa_and_training_lora_is_caught():
    _, record = attach(Pissa(rank=4), Lora(rank=4))
    assert "init_lora_weights = 'pissa' was asked for, but the adapters have True" in problems(record)
    assert "no base tensor changed" in problems(record)
    assert "top-4 singular part" in problems(record)


def test_a_pissa_whose_config_lies_is_caught_by_its_weights():
    base = llama()
    original = {name: tensor.detach().clone() for name, tensor in base.named_parameters()}
    method = Pissa(rank=4)
    observation = observe(base, method)
    handle = method.attach(base, seed=0)
    with torch.no_grad():
        for name, tensor in handle.view.tensors(handle.live, handle.unwrapped):
            tensor.copy_(original[name])
        for name, tensor in handle.trainable():
            if "lora_B" in name:
                tensor.zero_()
    record = begin(method, handle, observation)
    assert record.identity_error < 1e-5
    assert "differs from the top-4 singular part" in problems(record)


def test_a_residual_that_does_not_add_up_to_the_base_is_caught():
    base, method = llama(), Pissa(rank=4)
    observation = observe(base, method)
    handle = method.attach(base, seed=0)
    with torch.no_grad():
        handle.live.model.layers[0].mlp.up_proj.base_layer.weight.mul_(1.01)
    assert "residual plus adapter differs from the base" in problems(begin(method, handle, observation))


@pytest.mark.parametrize(
    ("claimed", "actual", "words"),
    [
        ({"type": "lora", "rank": 8}, {"type": "lora", "rank": 4}, "has shape (4, 32), the method asks for (8, 32)"),
        ({"type": "lora"}, {"type": "lora", "targets": ["q_proj"]}, "should be trainable and is not"),
        ({"type": "lora", "targets": ["q_proj"]}, {"type": "lora"}, "is trainable and should not be"),
        ({"type": "lora", "rslora": True}, {"type": "lora"}, "use_rslora = True was asked for"),
        ({"type": "full"}, {"type": "full", "train": "linear"}, "model.embed_tokens.weight should be trainable"),
        ({"type": "lora"}, {"type": "full"}, "without adapters"),
        ({"type": "mask", "select": "random"}, {"type": "full"}, "no masked layer"),
        (
            {"type": "peft", "peft_type": "VERA"},
            {"type": "lora"},
            "VERA was asked for, but LORA is on the model",
        ),
        (
            {"type": "peft", "peft_type": "LORA", "use_dora": True, "r": 16, "lora_alpha": 32},
            {"type": "lora"},
            "use_dora = True was asked for, but the adapters have False",
        ),
        ({"type": "peft", "peft_type": "VERA"}, {"type": "peft", "peft_type": "VERA", "targets": ["q_proj"]}, "target"),
        *[
            ({"type": "mask", "select": claimed}, {"type": "mask", "select": actual}, f"not in the {claimed} set")
            for claimed, actual in (
                ("principal", "random"),
                ("random", "principal"),
                ("safe", "principal"),
                ("low-magnitude", "non-principal"),
                ("non-principal", "low-magnitude"),
            )
        ],
    ],
)
def test_another_method_than_requested_is_caught(claimed, actual, words):
    _, record = attach(create(claimed), create(actual))
    assert words in problems(record)


def test_a_start_that_is_not_the_base_is_caught():
    base, method = llama(), Lora(rank=4)
    observation = observe(base, method)
    handle = method.attach(base, seed=0)
    with torch.no_grad():
        for name, tensor in handle.trainable():
            if "lora_B" in name:
                tensor.normal_()
    assert "logits at the start differ" in problems(begin(method, handle, observation))


def test_a_base_changed_in_secret_is_caught():
    base, method = llama(), Lora(rank=4)
    observation = observe(base, method)
    handle = method.attach(base, seed=0)
    with torch.no_grad():
        handle.live.model.embed_tokens.weight[63].mul_(1.0001)
    assert "without saying so, the first is model.embed_tokens.weight" in problems(begin(method, handle, observation))


def test_unmerging_by_subtraction_in_bfloat16_is_caught():
    base, method = llama().to(torch.bfloat16), Pissa(rank=4)
    handle, record = attach(method, method, base)
    assert record.problems == []
    optimizer = train(handle)
    handle.model.merge_adapter()
    handle.model.unmerge_adapter()
    assert "frozen tensors moved" in problems(finish(record, handle, optimizer))
    assert not record.valid


@pytest.mark.parametrize("settings", [{"type": "lora"}, {"type": "mask", "select": "random"}], ids=label)
def test_weight_decay_on_frozen_weights_is_caught(settings):
    method = create(settings)
    handle, record = attach(method, method)
    optimizer = torch.optim.AdamW(handle.model.parameters(), lr=1e-2, weight_decay=0.1)
    with torch.no_grad():
        for parameter in handle.model.parameters():
            parameter.mul_(1 - 1e-2 * 0.1)
    text = problems(finish(record, handle, optimizer))
    assert "frozen tensors moved" in text
    assert "tensors that are not trainable" in text


def test_one_bit_outside_the_mask_is_caught():
    method = Mask(select="low-magnitude", density=0.3)
    handle, record = attach(method, method)
    optimizer = train(handle)
    path, layer = handle.masked_layers()[-1]
    outside = (set(range(layer.weight.numel())) - set(layer.index.tolist())).pop()
    with torch.no_grad():
        flat = layer.weight.view(-1)
        flat[outside] = torch.nextafter(flat[outside], torch.tensor(2.0))
    text = problems(finish(record, handle, optimizer))
    assert f"1 frozen tensors moved during training, the first is {path}.weight outside the mask" in text


def test_a_tensor_left_out_of_the_optimizer_or_unfrozen_later_is_caught():
    method = Lora(rank=4)
    handle, record = attach(method, method)
    optimizer = torch.optim.AdamW([parameter for _, parameter in handle.trainable()][1:])
    handle.live.model.norm.weight.requires_grad_(True)
    text = problems(finish(record, handle, optimizer))
    assert "trainable tensors are not in the optimizer" in text
    assert "the set of trainable tensors changed" in text


def test_bfloat16_master_weights_are_caught():
    base, method = llama(), Lora(rank=4)
    observation = observe(base, method)
    handle = method.attach(base, seed=0)
    handle.model.to(torch.bfloat16)
    assert "master weights are float32" in problems(begin(method, handle, observation))
