"""LIFT: when the mask moves, what moves with it, and what the attestation can still say of the frozen part."""

import numpy as np
import pytest
import torch
from method_runs import array, attested, problems, run, weights
from tiny_models import batch, llama, tied_qwen

from rlvr_bench.methods import MethodError, create
from rlvr_bench.methods.attestation import begin, finish, observe
from rlvr_bench.methods.base.plain import last_logits

LIFT = {"type": "lift", "density": 0.2, "refresh": 2}


def principal(weight: np.ndarray, count: int) -> set[int]:
    """The `count` entries with the largest |rank-r reconstruction|, r a quarter of the smaller side (numpy float64)."""
    u, s, vt = np.linalg.svd(weight, full_matrices=False)
    rank = max(1, min(weight.shape) // 4)
    return set(np.argsort(np.abs((u[:, :rank] * s[:rank]) @ vt[:rank]).ravel())[-count:].tolist())


def indices(handle) -> dict[str, set[int]]:
    return {path: set(layer.index.tolist()) for path, layer in handle.masked_layers()}


@pytest.mark.parametrize("make", [llama, tied_qwen])
def test_the_mask_follows_the_weights_every_second_step(make):
    handle = create(LIFT).attach(make(), seed=0)
    base = weights(make())
    first = indices(handle)
    for path, mask in first.items():
        assert mask == principal(array(base[f"{path}.weight"]), len(mask))
    optimizer = handle.create_optimizer(3e-2, 0.0, (0.9, 0.95))
    for step in range(5):
        optimizer.zero_grad()
        handle.model(input_ids=batch(step), labels=batch(step)).loss.backward()
        before = indices(handle)
        optimizer.step()
        handle.after_step(step)
        if step % 2 == 0:
            assert indices(handle) == before
            continue
        current = dict(handle.effective_weights())
        for path, mask in indices(handle).items():
            assert mask == principal(array(current[f"{path}.weight"]), len(mask)), (step, path)
    assert handle.refreshed == 2
    assert all(indices(handle)[path] != first[path] for path in first)


def test_state_of_entries_that_stay_is_kept_and_new_ones_start_at_zero():
    handle = create(LIFT | {"refresh": 3}).attach(llama(), seed=0)
    optimizer = handle.create_optimizer(3e-2, 0.0, (0.9, 0.95))
    kept = entered = 0
    for step in range(3):
        optimizer.zero_grad()
        handle.model(input_ids=batch(step), labels=batch(step)).loss.backward()
        optimizer.step()
        if step == 2:
            old = {
                path: {
                    "index": layer.index.tolist(),
                    "exp_avg": optimizer.state[layer.values]["exp_avg"].tolist(),
                    "exp_avg_sq": optimizer.state[layer.values]["exp_avg_sq"].tolist(),
                    "values": layer.values.tolist(),
                }
                for path, layer in handle.masked_layers()
            }
        handle.after_step(step)
    for path, layer in handle.masked_layers():
        state, before = optimizer.state[layer.values], old[path]
        assert int(state["step"]) == 3
        for place, entry in enumerate(layer.index.tolist()):
            stayed = before["index"].index(entry) if entry in before["index"] else None
            for moment in ("exp_avg", "exp_avg_sq"):
                assert state[moment][place] == (before[moment][stayed] if stayed is not None else 0)
            if stayed is not None:
                assert layer.values[place] == before["values"][stayed]
            kept, entered = kept + (stayed is not None), entered + (stayed is None)
    assert kept > 1000 and entered > 20


def test_it_trains_as_dense_adamw_whose_gradient_and_moments_are_masked():
    """The reference keeps dense moments and zeroes those of entries that enter; plain AdamW arithmetic in float64."""
    handle, dense = create(LIFT).attach(llama(), seed=0), llama()
    paths = [path for path, _ in handle.masked_layers()]
    reference = {path: array(dense.get_submodule(path).weight) for path in paths}
    masks = {path: principal(reference[path], len(layer.index)) for path, layer in handle.masked_layers()}
    first, second = ({path: np.zeros(w.size) for path, w in reference.items()} for _ in range(2))
    rate, betas, decay, steps = 3e-2, (0.9, 0.95), 0.1, 5
    for step in range(steps):
        dense.zero_grad()
        dense(input_ids=batch(step), labels=batch(step)).loss.backward()
        for path in paths:
            on = sorted(masks[path])
            weight, gradient = reference[path].reshape(-1), array(dense.get_submodule(path).weight.grad).ravel()
            first[path][on] = betas[0] * first[path][on] + (1 - betas[0]) * gradient[on]
            second[path][on] = betas[1] * second[path][on] + (1 - betas[1]) * gradient[on] ** 2
            corrected = first[path][on] / (1 - betas[0] ** (step + 1))
            scale = np.sqrt(second[path][on] / (1 - betas[1] ** (step + 1))) + 1e-8
            weight[on] = weight[on] * (1 - rate * decay) - rate * corrected / scale
            if step % 2:
                chosen = principal(reference[path], len(on))
                new = sorted(chosen - masks[path])
                first[path][new] = second[path][new] = 0
                masks[path] = chosen
            with torch.no_grad():
                dense.get_submodule(path).weight.copy_(torch.from_numpy(reference[path]))
    run(handle, steps=steps, learning_rate=rate, weight_decay=decay)
    got, base = dict(handle.effective_weights()), weights(llama())
    agree = total = 0
    for path in paths:  # a near tie in a principal set may fall either way: a few entries in thousands
        trained = reference[path] != array(base[f"{path}.weight"])
        close = np.isclose(array(got[f"{path}.weight"]), reference[path], rtol=1e-3, atol=1e-4)[trained]
        agree, total = agree + close.sum(), total + close.size
    assert total > 2000
    assert agree / total > 0.99


@pytest.mark.parametrize("make", [llama, tied_qwen, lambda: llama().to(torch.bfloat16)])
def test_entries_that_were_never_in_a_mask_are_the_bases_bit_for_bit(make):
    base = weights(make())
    handle = create(LIFT).attach(make(), seed=0)
    ever = indices(handle)
    optimizer = handle.create_optimizer(3e-2, 0.0, (0.9, 0.95))
    for step in range(5):
        optimizer.zero_grad()
        handle.model(input_ids=batch(step), labels=batch(step)).loss.backward()
        optimizer.step()
        handle.after_step(step)
        ever = {path: ever[path] | mask for path, mask in indices(handle).items()}
    for name, tensor in handle.effective_weights():
        changed = set((tensor != base[name].float()).reshape(-1).nonzero().reshape(-1).tolist())
        assert changed <= ever.get(name.removesuffix(".weight"), set()), name
        if name.endswith("_proj.weight"):
            left = ever[name.removesuffix(".weight")] - indices(handle)[name.removesuffix(".weight")]
            assert changed & left, f"nothing that left the mask of {name} kept what it learned"


@pytest.mark.parametrize("make", [llama, tied_qwen, lambda: llama().to(torch.bfloat16)])
def test_an_honest_run_is_valid_over_several_refreshes(make):
    handle, record = attested(create(LIFT), make=make, steps=5, learning_rate=3e-2, weight_decay=0.1)
    assert record.valid, record.problems
    assert handle.refreshed == 2
    assert record.frozen_hash_before == record.frozen_hash_after


def start(refresh=2):
    method = create(LIFT | {"refresh": refresh})
    base = llama()
    observation = observe(base, method)
    handle = method.attach(base, seed=0)
    return handle, begin(method, handle, observation)


@pytest.mark.parametrize("when", [0, 1, 3])
def test_one_bit_of_an_entry_outside_the_mask_is_caught_whenever_it_moves(when):
    handle, record = start()
    optimizer = handle.create_optimizer(3e-2, 0.0, (0.9, 0.95))
    path, layer = handle.masked_layers()[2]
    ever = indices(handle)[path]
    for step in range(4):
        optimizer.zero_grad()
        handle.model(input_ids=batch(step), labels=batch(step)).loss.backward()
        optimizer.step()
        if step == when:  # before the refresh of the odd steps
            never = sorted(set(range(layer.weight.numel())) - ever)[0]
            with torch.no_grad():
                flat = layer.weight.view(-1)
                flat[never] = torch.nextafter(flat[never], torch.tensor(2.0))
        handle.after_step(step)
        ever = ever | indices(handle)[path]
    assert f"entries outside the mask of {path} moved" in problems(finish(record, handle, optimizer))


def test_an_entry_that_left_and_moved_on_is_caught():
    handle, record = start()
    path, layer = handle.masked_layers()[2]
    first = indices(handle)[path]
    optimizer = run(handle, steps=3, learning_rate=3e-2)
    left = sorted(first - indices(handle)[path])[0]
    with torch.no_grad():
        layer.weight.view(-1)[left] += 1e-3
    assert f"entries outside the mask of {path} moved" in problems(finish(record, handle, optimizer))


def test_a_mask_that_was_not_refreshed_in_time_is_caught():
    handle, record = start()
    optimizer = handle.create_optimizer(1e-2, 0.0, (0.9, 0.95))
    for step in range(4):  # a trainer that forgets after_step
        handle.model(input_ids=batch(step), labels=batch(step)).loss.backward()
        optimizer.step()
    assert "refreshed 0 times in 4 steps, 2 were asked for" in problems(finish(record, handle, optimizer))


def test_a_fixed_mask_under_its_name_is_caught():
    mask = create({"type": "mask", "select": "principal", "density": 0.2})
    _, record = attested(create(LIFT), mask)
    assert "no mask that could be refreshed" in problems(record)
    _, record = attested(create(LIFT), create({"type": "mask", "select": "random", "density": 0.2}))
    assert "not in the principal set" in problems(record)


def test_another_optimizer_than_its_own_is_refused_at_the_first_refresh():
    handle = create(LIFT).attach(llama(), seed=0)
    handle.after_step(0)
    with pytest.raises(MethodError, match="train with what create_optimizer gives"):
        handle.after_step(1)


@pytest.mark.parametrize("make", [llama, lambda: llama().to(torch.bfloat16)])
def test_export_keeps_what_entries_learned_before_they_left(make, tmp_path):
    method = create(LIFT)
    handle = method.attach(make(), seed=0)
    run(handle, steps=5, learning_rate=3e-2)
    handle.export(tmp_path)
    again = method.attach(make(), seed=0)
    again.load(tmp_path)
    assert torch.equal(last_logits(again.model, batch()), last_logits(handle.model, batch()))
    assert indices(again) == indices(handle)
    run(again, steps=2)  # and it goes on from there
    assert again.refreshed == 1 and not again.disturbed


def test_values_stay_float32_across_a_refresh_of_a_bfloat16_base():
    handle = create(LIFT | {"refresh": 1}).attach(llama().to(torch.bfloat16), seed=0)
    run(handle, steps=1, learning_rate=1e-5)
    for _, layer in handle.masked_layers():
        assert not torch.equal(layer.values, layer.values.bfloat16().float())
        assert torch.equal(layer.weight.view(-1)[layer.index.long()], layer.values.bfloat16())


def test_optimizer_state_stays_proportional_to_the_mask():
    handle = create({"type": "lift", "density": 0.01, "refresh": 1}).attach(llama(), seed=0)
    optimizer = run(handle, steps=3)
    state = sum(v.numel() for s in optimizer.state.values() for v in s.values() if v.dim())
    assert state == 2 * handle.trainable_parameters
    assert state <= 0.012 * 2 * sum(layer.weight.numel() for _, layer in handle.masked_layers())
