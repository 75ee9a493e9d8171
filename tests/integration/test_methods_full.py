import pytest
import torch
from method_runs import attested, problems, run, weights
from tiny_models import batch, llama, tied_qwen

from rlvr_bench.methods import MethodError, create
from rlvr_bench.methods.base.plain import last_logits

SUBSETS = [
    ({"layers": "middle"}, lambda name: ".layers.1." in name),
    ({"layers": [0]}, lambda name: ".layers.0." in name),
    ({"layers": "0-1", "train": "linear"}, lambda name: name.endswith("_proj.weight")),
    (
        {"layers": [1], "train": "linear", "targets": ["v_proj"]},
        lambda name: ".layers.1." in name and "v_proj.w" in name,
    ),
    ({"train": "linear", "targets": ["mlp.up_proj"]}, lambda name: "up_proj" in name),
]


@pytest.mark.parametrize("make", [llama, tied_qwen])
@pytest.mark.parametrize(
    ("settings", "inside"), SUBSETS, ids=lambda value: str(value) if isinstance(value, dict) else "inside"
)
def test_a_subset_trains_its_tensors_and_leaves_every_other_bit(make, settings, inside):
    before = weights(make())
    handle, record = attested(create({"type": "full", **settings}), make=make)
    assert record.valid, record.problems
    assert [name for name, _ in handle.trainable()] == [name for name in before if inside(name)]
    for name, tensor in handle.effective_weights():
        assert torch.equal(tensor, before[name]) != inside(name), name


def test_training_a_subset_equals_full_training_with_other_gradients_dropped():
    dense, handle = llama(), create({"type": "full", "layers": [1]}).attach(llama(), seed=0)
    kept = [parameter for name, parameter in dense.named_parameters() if ".layers.1." in name]
    optimizer = torch.optim.AdamW(kept, lr=1e-2, betas=(0.9, 0.95), weight_decay=0.0)
    run(handle, steps=3, learning_rate=1e-2)
    for step in range(3):
        dense.zero_grad()
        dense(input_ids=batch(step), labels=batch(step)).loss.backward()
        optimizer.step()
    for name, tensor in handle.effective_weights():
        torch.testing.assert_close(tensor, dense.get_parameter(name).detach(), rtol=1e-5, atol=1e-7)


def test_layers_beyond_the_model_are_refused_on_attaching():
    with pytest.raises(MethodError, match=r"layers = \[2\] goes beyond the model's 2 layers; name some of 0 to 1$"):
        create({"type": "full", "layers": [2]}).attach(llama(), seed=0)


def test_a_subset_widens_a_bfloat16_base_and_rolls_out_in_it(tmp_path):
    method = create({"type": "full", "layers": [1]})
    handle = method.attach(llama().to(torch.bfloat16), seed=0)
    run(handle)
    trained = last_logits(handle.model, batch())
    with handle.rollout_weights() as plain:
        assert torch.equal(last_logits(plain, batch()), trained)
    handle.export(tmp_path)
    again = method.attach(llama().to(torch.bfloat16), seed=0)
    again.load(tmp_path)
    assert torch.equal(last_logits(again.model, batch()), trained)


@pytest.mark.parametrize(
    ("claimed", "actual", "words"),
    [
        ({"layers": [0]}, {"layers": [1]}, "model.layers.0.self_attn.q_proj.weight should be trainable and is not"),
        ({"layers": [0]}, {}, "model.embed_tokens.weight is trainable and should not be"),
        ({}, {"layers": "middle"}, "model.norm.weight should be trainable and is not"),
    ],
    ids=str,
)
def test_another_subset_than_claimed_is_caught(claimed, actual, words):
    _, record = attested(create({"type": "full", **claimed}), create({"type": "full", **actual}))
    assert words in problems(record)


@pytest.mark.parametrize("make", [llama, tied_qwen])
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_a_step_of_sgd_is_the_rate_times_the_gradient_and_the_decay(make, weight_decay):
    handle = create({"type": "full-sgd"}).attach(make(), seed=0)
    optimizer = handle.create_optimizer(0.5, weight_decay, (0.9, 0.95))
    for step in range(3):  # from the second on, a momentum would show
        optimizer.zero_grad()
        handle.model(input_ids=batch(step), labels=batch(step)).loss.backward()
        before = weights(handle.model)
        optimizer.step()
        handle.after_step(step)
        for name, parameter in handle.trainable():
            decay = 0.0 if "norm" in name or name.endswith("bias") else weight_decay
            wanted = before[name].double() - 0.5 * (parameter.grad.double() + decay * before[name].double())
            torch.testing.assert_close(parameter.detach(), wanted.float(), rtol=1e-6, atol=1e-7, msg=name)
    assert not any(torch.is_tensor(value) for state in optimizer.state.values() for value in state.values())


def test_sgd_is_attested_by_what_ran():
    sgd, adamw = create({"type": "full-sgd"}), create({"type": "full"})
    handle, record = attested(sgd)
    assert record.valid and record.optimizer == "SGD" and record.optimizer_state_values == 0
    _, record = attested(sgd, adamw)
    assert "trained by AdamW, the method asks for SGD" in problems(record)
    _, record = attested(adamw, sgd)
    assert "trained by SGD, the method asks for AdamW" in problems(record)
    optimizer = torch.optim.SGD(handle.parameter_groups(0.1, 0.0), momentum=0.9)
    assert "momentum 0.9" in "; ".join(sgd.problems_at_end(handle, optimizer))
