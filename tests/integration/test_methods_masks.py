import weakref

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_models import batch, llama, tied_qwen, train
from torch.utils._python_dispatch import TorchDispatchMode

from rlvr_bench.methods import MethodError, create
from rlvr_bench.methods.base.plain import last_logits
from rlvr_bench.methods.masks.linear import MaskedLinear
from rlvr_bench.methods.masks.mask import Mask
from rlvr_bench.methods.masks.selection import select_entries

SELECTS = ("random", "principal", "non-principal", "low-magnitude", "top-magnitude", "safe")


def reference_entries(weight: np.ndarray, select: str, count: int, rank: int) -> set[int]:
    """The definitions of arXiv 2511.08567 in numpy float64, by full SVD and sorted lists."""
    u, s, vt = np.linalg.svd(weight.astype(np.float64), full_matrices=False)
    low_rank = np.abs(u[:, :rank] @ np.diag(s[:rank]) @ vt[:rank]).ravel()
    by_low_rank = sorted(range(weight.size), key=lambda i: low_rank[i])
    by_magnitude = sorted(range(weight.size), key=lambda i: abs(weight.ravel()[i]))
    if select == "principal":
        return set(by_low_rank[weight.size - count :])
    if select == "non-principal":
        return set(by_low_rank[:count])
    if select == "low-magnitude":
        return set(by_magnitude[:count])
    if select == "top-magnitude":
        return set(by_magnitude[weight.size - count :])
    union: set[int] = set()
    for pair in zip(by_magnitude, by_low_rank, strict=True):
        for entry in sorted(pair):
            if len(union) < count:
                union.add(entry)
    return union


@settings(max_examples=40, deadline=None)
@given(
    rows=st.integers(2, 24),
    columns=st.integers(2, 24),
    density=st.floats(0.01, 1.0),
    seed=st.integers(0, 1000),
    select=st.sampled_from(SELECTS[1:]),
)
def test_masks_are_those_of_an_independent_float64_implementation(rows, columns, density, seed, select):
    weight = np.random.default_rng(seed).normal(size=(rows, columns)).astype(np.float32)
    method = Mask(select=select, density=density)
    got = select_entries(method, torch.from_numpy(weight), "w", 0).tolist()
    count = max(1, round(density * rows * columns))
    assert got == sorted(got)
    assert len(got) == count
    assert set(got) == reference_entries(weight, select, count, max(1, min(rows, columns) // 4))


@given(density=st.floats(0.01, 1.0), seed=st.integers(0, 100))
@settings(max_examples=30, deadline=None)
def test_random_masks_have_the_count_and_follow_seed_and_name(density, seed):
    weight = torch.zeros(12, 20)
    method = Mask(select="random", density=density)
    one = select_entries(method, weight, "a", seed)
    assert len(set(one.tolist())) == len(one) == max(1, round(density * 240))
    assert torch.equal(one, select_entries(method, weight, "a", seed))
    if 0.2 < density < 0.8:
        assert not torch.equal(one, select_entries(method, weight, "a", seed + 1))
        assert not torch.equal(one, select_entries(method, weight, "b", seed))


def test_parts_of_a_random_order_are_disjoint_and_cover_the_matrix():
    weight = torch.zeros(30, 40)
    parts = [select_entries(Mask(select="random", density=0.1, part=part), weight, "w", 3) for part in range(10)]
    assert torch.equal(parts[0], select_entries(Mask(select="random", density=0.1), weight, "w", 3))
    assert sorted(torch.cat(parts).tolist()) == list(range(1200))


def test_a_matrix_without_so_many_parts_is_refused():
    with pytest.raises(MethodError, match="w has 6 entries, too few for part 9 of 1 each; lower part"):
        select_entries(Mask(select="random", density=0.1, part=9), torch.zeros(2, 3), "w", 0)


def test_random_masks_are_uniform():
    counts = np.zeros(100)
    for seed in range(400):
        counts[select_entries(Mask(select="random", density=0.3), torch.zeros(10, 10), "w", seed).numpy()] += 1
    assert abs(counts - 120).max() < 5 * np.sqrt(400 * 0.3 * 0.7)


def test_non_principal_and_low_magnitude_are_complements():
    weight = torch.randn(20, 30, generator=torch.Generator().manual_seed(0))
    for chosen, left in (("principal", "non-principal"), ("top-magnitude", "low-magnitude")):
        inside = set(select_entries(Mask(select=chosen, density=0.4), weight, "w", 0).tolist())
        outside = set(select_entries(Mask(select=left, density=0.6), weight, "w", 0).tolist())
        assert inside | outside == set(range(600)) and not inside & outside


def test_the_papers_union_and_its_random_match_come_from_the_two_shares():
    weight = torch.randn(40, 60, generator=torch.Generator().manual_seed(0))
    shares = {"principal_share": 0.5, "low_share": 0.5859}
    safe = set(select_entries(Mask(select="safe", **shares), weight, "w", 0).tolist())
    low = set(select_entries(Mask(select="low-magnitude", density=0.5859), weight, "w", 0).tolist())
    outside = set(select_entries(Mask(select="non-principal", density=0.5), weight, "w", 0).tolist())
    assert safe == low | outside
    matched = select_entries(Mask(select="random", **shares), weight, "w", 0)
    assert len(matched) == len(safe)
    assert set(matched.tolist()) != safe


@settings(max_examples=30, deadline=None)
@given(principal=st.floats(0.1, 0.9), low=st.floats(0.1, 0.9), seed=st.integers(0, 1000))
def test_the_union_of_two_shares_is_that_of_an_independent_float64_implementation(principal, low, seed):
    weight = np.random.default_rng(seed).normal(size=(16, 24)).astype(np.float32)
    method = Mask(select="safe", principal_share=principal, low_share=low)
    got = set(select_entries(method, torch.from_numpy(weight), "w", 0).tolist())
    low_magnitude = reference_entries(weight, "low-magnitude", round(low * weight.size), 4)
    assert got == low_magnitude | set(range(weight.size)).difference(
        reference_entries(weight, "principal", round(principal * weight.size), 4)
    )


def test_ties_are_broken_by_position():
    weight = torch.ones(4, 4)
    assert select_entries(Mask(select="low-magnitude", density=0.25), weight, "w", 0).tolist() == [0, 1, 2, 3]
    assert select_entries(Mask(select="top-magnitude", density=0.25), weight, "w", 0).tolist() == [12, 13, 14, 15]


def masks_of(handle) -> dict[str, torch.Tensor]:
    masks = {}
    for path, layer in handle.masked_layers():
        mask = torch.zeros(layer.weight.numel(), dtype=torch.bool)
        mask[layer.index.long()] = True
        masks[f"{path}.weight"] = mask.view_as(layer.weight)
    return masks


@pytest.mark.parametrize("make", [llama, tied_qwen])
@pytest.mark.parametrize("select", SELECTS)
def test_training_a_mask_equals_dense_training_with_the_gradient_masked(make, select):
    dense = make()
    handle = create({"type": "mask", "select": select, "density": 0.3}).attach(make(), seed=0)
    masks = masks_of(handle)
    optimizer = torch.optim.AdamW(dense.parameters(), lr=1e-2, weight_decay=0.0)
    sparse_optimizer = torch.optim.AdamW(handle.parameter_groups(1e-2, 0.1))
    for step in range(3):
        for part in batch(step).chunk(2):  # two micro-batches: gradients accumulate
            dense(input_ids=part, labels=part).loss.backward()
            handle.model(input_ids=part, labels=part).loss.backward()
        with torch.no_grad():
            for name, parameter in dense.named_parameters():
                mask = masks.get(name, torch.zeros_like(parameter, dtype=torch.bool))
                parameter.grad.mul_(mask)
                parameter.sub_(1e-2 * 0.1 * parameter * mask)  # decoupled decay of the masked entries only
        for each in (optimizer, sparse_optimizer):
            each.step()
            each.zero_grad()
    wanted = dict(dense.named_parameters())
    for name, tensor in handle.effective_weights():
        torch.testing.assert_close(tensor, wanted[name].detach(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("make", [llama, tied_qwen])
def test_nothing_outside_the_mask_moves_by_a_bit_and_most_inside_does(make):
    before = {name: tensor.detach().clone() for name, tensor in make().named_parameters()}
    handle = create({"type": "mask", "select": "principal", "density": 0.2}).attach(make(), seed=0)
    train(handle)
    masks = masks_of(handle)
    for name, tensor in handle.effective_weights():
        mask = masks.get(name, torch.zeros_like(tensor, dtype=torch.bool))
        assert torch.equal(tensor[~mask], before[name][~mask]), name
        if name in masks:
            assert (tensor[mask] != before[name][mask]).float().mean() > 0.99


@pytest.mark.parametrize("autocast", [False, True])
def test_gradients_are_the_gathered_dense_ones(autocast):
    dense = create({"type": "full", "train": "linear"}).attach(llama(), seed=0)
    sparse = create({"type": "mask", "select": "safe", "density": 0.3}).attach(llama(), seed=0)
    for handle in (dense, sparse):
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            handle.model(input_ids=batch(), labels=batch()).loss.backward()
    for path, layer in sparse.masked_layers():
        gradient = dense.model.get_submodule(path).weight.grad.reshape(-1)[layer.index.long()]
        assert layer.values.grad.dtype == torch.float32
        assert torch.equal(layer.values.grad, gradient)
        assert layer.weight.grad is None


def test_gradient_checkpointing_gives_the_same_gradients():
    plain = create({"type": "mask", "select": "random", "density": 0.3}).attach(llama(), seed=0)
    saving = create({"type": "mask", "select": "random", "density": 0.3}).attach(llama(), seed=0)
    saving.model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    for handle in (plain, saving):
        handle.model.train()
        handle.model(input_ids=batch(), labels=batch()).loss.backward()
    for (name, one), (_, other) in zip(plain.trainable(), saving.trainable(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, msg=name)


def test_optimizer_state_is_proportional_to_the_mask():
    handle = create({"type": "mask", "select": "random", "density": 0.01}).attach(llama(), seed=0)
    optimizer = train(handle, steps=1)
    state = sum(v.numel() for s in optimizer.state.values() for v in s.values() if v.dim())
    full = 2 * sum(layer.weight.numel() for _, layer in handle.masked_layers())
    assert state == 2 * handle.trainable_parameters
    assert state <= 0.012 * full


def test_generation_sees_the_weights_of_the_last_step():
    handle = create({"type": "mask", "select": "random", "density": 0.5}).attach(llama(), seed=0)
    before = last_logits(handle.model, batch())
    train(handle)
    plain = llama()
    plain.load_state_dict(dict(handle.effective_weights()), strict=False)
    assert torch.equal(last_logits(handle.model, batch()), last_logits(plain, batch()))
    assert not torch.equal(last_logits(plain, batch()), before)
    own = handle.model.generate(batch(), max_new_tokens=4, do_sample=False)
    assert torch.equal(own, plain.generate(batch(), max_new_tokens=4, do_sample=False))


def test_a_bfloat16_base_keeps_float32_values_and_uses_them_rounded():
    handle = create({"type": "mask", "select": "random", "density": 0.5}).attach(llama().to(torch.bfloat16), seed=0)
    train(handle, learning_rate=1e-5)
    for _, layer in handle.masked_layers():
        layer.write_values()
        assert layer.values.dtype == torch.float32 and layer.weight.dtype == torch.bfloat16
        assert torch.equal(layer.weight.view(-1)[layer.index.long()], layer.values.bfloat16())
        assert not torch.equal(layer.values, layer.values.bfloat16().float())


def test_a_changed_weight_between_forward_and_backward_is_refused_not_wrong():
    layer = MaskedLinear(torch.nn.Linear(4, 4), torch.tensor([0, 5]))
    output = layer(torch.randn(2, 4, requires_grad=True)).sum()
    with torch.no_grad():
        layer.values.add_(1)
    layer(torch.randn(2, 4))
    with pytest.raises(RuntimeError, match="inplace"):
        output.backward()


def test_a_mask_on_tied_embeddings_is_refused():
    with pytest.raises(MethodError, match="tied embeddings"):
        Mask(select="random", targets=("lm_head",)).attach(tied_qwen(), seed=0)


def test_a_target_that_the_model_lacks_is_named_with_what_it_has():
    with pytest.raises(MethodError, match=r"'gate'.*'gate_proj'"):
        create({"type": "mask", "select": "random", "targets": ["gate"]}).attach(llama(), seed=0)


def test_a_stored_mask_of_another_base_is_refused(tmp_path):
    method = create({"type": "mask", "select": "low-magnitude", "density": 0.3})
    method.attach(llama(), seed=0).export(tmp_path)
    other = method.attach(llama(seed=5), seed=0)
    before = {name: tensor.detach().clone() for name, tensor in other.stored_tensors().items()}
    with pytest.raises(MethodError, match=r"q_proj.index"):
        other.load(tmp_path)
    assert all(torch.equal(tensor, before[name]) for name, tensor in other.stored_tensors().items())


def most_dense_gradients_at_once(handle) -> int:
    """Follow every product of a weight's shape that the backward pass makes, and how many of them are alive."""
    shapes = {tuple(m.weight.shape) for path, m in handle.model.named_modules() if path.endswith("_proj")}
    made, most = [], 0

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
            nonlocal most
            result = operation(*args, **(kwargs or {}))
            if operation is torch.ops.aten.mm.default and {tuple(result.shape), tuple(result.T.shape)} & shapes:
                made.append(weakref.ref(result.untyped_storage()))
                most = max(most, sum(each() is not None for each in made))
            return result

    ids = batch()[:3, :7]  # 21 tokens: no activation has a weight's shape
    loss = handle.model(input_ids=ids, labels=ids).loss
    with Watch():
        loss.backward()
    assert len(made) >= 14
    return most


def test_the_dense_gradient_of_one_layer_exists_at_a_time():
    mask = create({"type": "mask", "select": "random", "density": 0.01}).attach(llama(), seed=0)
    assert most_dense_gradients_at_once(mask) <= 2
    full = create({"type": "full", "train": "linear"}).attach(llama(), seed=0)
    assert most_dense_gradients_at_once(full) == 14
