import numpy as np
import pytest
import torch
from tiny_models import SIZE, batch, label, llama, tied_qwen, train
from transformers import LlamaConfig, LlamaForCausalLM

from rlvr_bench.methods import MethodError, create
from rlvr_bench.methods.attestation import begin, finish, observe
from rlvr_bench.methods.base.plain import last_logits
from rlvr_bench.methods.low_rank.linear import CoreLinear, LowRankLinear, ProjectedLinear

PROMPTS = [[3, 4, 5, 6], [7, 8, 9], [10, 11, 12, 13, 14]]
"""12 tokens of different lengths: fewer than any module has inputs, so that an exact null space exists."""

STARTED = [
    {"type": "milora", "rank": 4},
    {"type": "milora", "rank": 4, "alpha": 9},
    {"type": "rlpo", "rank": 4},
    {"type": "rlmo", "rank": 4},
    {"type": "geora", "rank": 4},
    {"type": "geora", "rank": 4, "alpha": 8, "start": "random"},
    {"type": "geora", "rank": 4, "start": "tail"},
    {"type": "lora-null", "rank": 4},
    {"type": "lora-null", "rank": 4, "freeze_down": True},
]
OWN = [
    {"type": "oplora", "rank": 4},
    {"type": "oplora", "rank": 2, "protected": 9},
    {"type": "lora-xs", "rank": 4},
    {"type": "lora-xs", "rank": 3, "alpha": 12},
]
EVERY = pytest.mark.parametrize("settings", STARTED + OWN, ids=label)
MODELS = pytest.mark.parametrize("make", [llama, tied_qwen])
DTYPES = pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])


def attach(settings, model=None, seed=0, prompts=PROMPTS):
    return create(settings).attach(model or llama(), seed, prompts)


def attested(claimed, actual, model=None, prompts=PROMPTS):
    """Attach `actual` and attest it as `claimed` (settings)."""
    model, method = model or llama(), create(claimed)
    observation = observe(model, method)
    handle = attach(actual, model, prompts=prompts)
    return handle, begin(method, handle, observation)


def problems(record) -> str:
    return "; ".join(record.problems)


def array(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().double().numpy()


def matrices(model) -> dict[str, np.ndarray]:
    """Path -> weight of every targeted matrix of a plain model."""
    return {n.removesuffix(".weight"): array(p) for n, p in model.named_parameters() if n.endswith("proj.weight")}


def lora_factors(handle, path: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    layer = handle.live.get_submodule(path)
    down, up = (array(each["default"].weight) for each in (layer.lora_A, layer.lora_B))
    return down, up, array(layer.get_base_layer().weight), layer.scaling["default"]


def updates(handle) -> dict[str, np.ndarray]:
    """Path -> merged weight minus W0."""
    base = matrices(llama())
    return {n.removesuffix(".weight"): array(t) - base[n.removesuffix(".weight")] for n, t in handle.effective_weights()
            if n.endswith("proj.weight")}  # fmt: skip


@pytest.mark.parametrize(("make", "dtype"), [(llama, torch.float32), (tied_qwen, torch.bfloat16)])
@EVERY
def test_an_honest_run_is_valid_and_leaves_the_frozen_part_bit_for_bit(settings, make, dtype):
    handle, record = attested(settings, settings, make().to(dtype))
    assert record.problems == []
    frozen = {name: tensor.detach().clone() for name, tensor in handle.frozen_tensors()}
    optimizer = train(handle)
    for _ in range(2):
        with handle.rollout_weights() as plain:
            assert plain.dtype == dtype
    finish(record, handle, optimizer)
    assert record.problems == [] and record.valid
    assert all(torch.equal(tensor, frozen[name]) for name, tensor in handle.frozen_tensors())
    assert record.optimizer_dtypes == ["float32"]
    bound = 1e-5 if dtype == torch.float32 else 2e-2
    assert record.identity_error < bound and record.merge_error < bound
    assert all(tensor.dtype == "float32" for tensor in record.trainable)


@DTYPES
@pytest.mark.parametrize("settings", STARTED, ids=label)
def test_residual_and_start_add_up_to_the_base_within_the_rounding_of_its_dtype(settings, dtype):
    model = tied_qwen().to(dtype)
    base = matrices(model)
    handle = attach(settings, model)
    half_step = torch.finfo(dtype).eps / 2
    for path, weight in base.items():
        down, up, residual, scale = lora_factors(handle, path)
        error = np.abs(residual + scale * (up @ down) - weight)
        assert (error <= 1.001 * half_step * np.abs(residual) + 1e-12).all(), path
    moved = {"milora", "geora", "lora-null"}
    assert handle.changes_base == (settings["type"] in moved)
    assert len(handle.changed_tensors) == (len(base) if settings["type"] in moved else 0)


@pytest.mark.parametrize("kind", ["milora", "rlpo", "rlmo"])
def test_every_matrix_starts_from_its_own_singular_vectors(kind):
    handle = attach({"type": kind, "rank": 4})
    for path, weight in matrices(llama()).items():
        down, up, _, _ = lora_factors(handle, path)
        u, s, vt = np.linalg.svd(weight, full_matrices=False)
        if kind == "milora":
            np.testing.assert_allclose(up @ down, (u[:, -4:] * s[-4:]) @ vt[-4:], atol=1e-6)
        else:
            rows = vt[:4] if kind == "rlpo" else vt[-4:]
            np.testing.assert_allclose(down.T @ down, rows.T @ rows, atol=1e-6)
            assert not up.any()


def inputs_of(model, paths, prompts) -> dict[str, np.ndarray]:
    """Path -> inputs (tokens, in) of the module, one prompt at a time."""
    seen: dict[str, list[np.ndarray]] = {path: [] for path in paths}
    hooks = [
        model.get_submodule(path).register_forward_pre_hook(lambda _, x, path=path: seen[path].append(array(x[0][0])))
        for path in paths
    ]
    with torch.no_grad():
        for prompt in prompts:
            model(input_ids=torch.tensor([prompt]))
    for hook in hooks:
        hook.remove()
    return {path: np.concatenate(rows) for path, rows in seen.items()}


@MODELS
def test_lora_null_starts_where_the_calibration_inputs_are_not(make):
    base = matrices(make())
    inputs = inputs_of(make(), base, PROMPTS)
    handle = attach({"type": "lora-null", "rank": 4}, make())
    for path, weight in base.items():
        down, up, residual, _ = lora_factors(handle, path)
        x = inputs[path]
        assert np.linalg.norm(x @ down.T @ up.T) < 1e-5 * np.linalg.norm(x @ weight.T), path
        np.testing.assert_allclose(x @ residual.T, x @ weight.T, atol=1e-5)
        frame = np.linalg.qr(down.T)[0]
        np.testing.assert_allclose(up @ down, weight @ frame @ frame.T, atol=1e-6)
        assert np.linalg.norm(up @ down) > 0.1 * np.linalg.norm(weight)


def test_with_more_tokens_than_inputs_lora_null_takes_the_directions_of_least_energy():
    prompts = batch().tolist() + batch(seed=2).tolist()
    inputs = inputs_of(llama(), matrices(llama()), prompts)
    handle = attach({"type": "lora-null", "rank": 4}, prompts=prompts)
    for path, x in inputs.items():
        down = lora_factors(handle, path)[0]
        frame = np.linalg.qr(down.T)[0]
        values, vectors = np.linalg.eigh(x.T @ x)
        if values[4] > 1e-6:  # no exact null space is left
            np.testing.assert_allclose(frame @ frame.T, vectors[:, :4] @ vectors[:, :4].T, atol=1e-4)
        assert np.linalg.norm(x @ frame) ** 2 <= values[:4].sum() + 1e-6


def test_with_its_down_projection_frozen_lora_null_never_changes_the_calibration_prompts():
    prompts = torch.tensor([[3, 4, 5, 6, 7, 8]])
    handle = attach({"type": "lora-null", "rank": 4, "freeze_down": True}, prompts=prompts.tolist())
    before = {name: tensor.detach().clone() for name, tensor in handle.frozen_additions() if "lora_A" in name}
    assert len(before) == 14
    at_prompts, elsewhere = last_logits(handle.model, prompts), last_logits(handle.model, batch())
    train(handle, steps=10)
    assert all(torch.equal(before[name], tensor) for name, tensor in handle.frozen_additions() if name in before)
    torch.testing.assert_close(last_logits(handle.model, prompts), at_prompts, rtol=0, atol=1e-5)
    assert (last_logits(handle.model, batch()) - elsewhere).abs().max() > 1e-2
    free = attach({"type": "lora-null", "rank": 4}, prompts=prompts.tolist())
    train(free, steps=10)
    assert (last_logits(free.model, prompts) - at_prompts).abs().max() > 1e-2


@pytest.mark.parametrize("prompts", [None, []])
def test_lora_null_without_calibration_is_refused_and_leaves_the_model_alone(prompts):
    model = llama()
    with pytest.raises(MethodError, match="give attach their token ids"):
        attach({"type": "lora-null", "rank": 4}, model, prompts=prompts)
    assert type(model.model.layers[0].self_attn.q_proj) is torch.nn.Linear


@pytest.mark.parametrize("training", [True, False])
def test_reading_the_inputs_leaves_no_hook_and_the_training_flag(training):
    model = llama().train(training)
    attach({"type": "lora-null", "rank": 4}, model)
    assert model.training == training
    assert not any(module._forward_pre_hooks for module in model.modules())


@pytest.mark.parametrize(("rank", "protected"), [(4, 4), (2, 9), (4, 1)])
def test_oplora_keeps_the_top_singular_triples_of_every_matrix(rank, protected):
    handle = attach({"type": "oplora", "rank": rank, "protected": protected})
    train(handle, steps=3)
    for path, delta in updates(handle).items():
        weight = matrices(llama())[path]
        u, s, vt = np.linalg.svd(weight, full_matrices=False)
        size = np.linalg.norm(delta)
        assert size > 1e-2
        assert np.linalg.norm(u[:, :protected].T @ delta) < 1e-5 * size, path
        assert np.linalg.norm(delta @ vt[:protected].T) < 1e-5 * size, path
        for i in range(protected):
            np.testing.assert_allclose((weight + delta) @ vt[i], s[i] * u[:, i], atol=1e-6)
        assert np.linalg.norm(u[:, protected].T @ delta) > 1e-3 * size


def test_oplora_projects_in_the_forward_pass_too():
    handle = attach({"type": "oplora", "rank": 4, "protected": 6})
    train(handle)
    for _, layer in handle.layers():
        protected = torch.from_numpy(np.linalg.svd(array(layer.base_layer.weight))[2][:6]).float()
        everything = torch.eye(len(layer.down[0]))
        with torch.no_grad():
            difference = layer(protected) - layer.base_layer(protected)
            usual = layer(everything) - layer.base_layer(everything)
        assert difference.abs().max() < 1e-5 * usual.abs().max()


def test_the_projection_is_computed_in_float32_under_autocast(monkeypatch):
    handle = attach({"type": "oplora", "rank": 4})
    train(handle)
    wanted = [layer.factors() for _, layer in handle.layers()]
    used = []
    exact = ProjectedLinear.factors
    monkeypatch.setattr(ProjectedLinear, "factors", lambda layer: used.append(exact(layer)) or used[-1])
    with torch.autocast("cpu", torch.bfloat16):
        last_logits(handle.model, batch())
    assert len(used) == len(wanted) == 14
    for got, each in zip(used, wanted, strict=True):
        assert all(torch.equal(*pair) for pair in zip(got, each, strict=True))


def test_lora_xs_trains_one_small_square_matrix_between_frozen_singular_vectors():
    handle = attach({"type": "lora-xs", "rank": 3})
    base = matrices(llama())
    assert handle.trainable_parameters == 9 * len(base)
    assert {tuple(parameter.shape) for _, parameter in handle.trainable()} == {(3, 3)}
    train(handle)
    for path, delta in updates(handle).items():
        u, s, vt = np.linalg.svd(base[path], full_matrices=False)
        core = (u[:, :3] / s[:3]).T @ delta @ vt[:3].T
        np.testing.assert_allclose((u[:, :3] * s[:3]) @ core @ vt[:3], delta, atol=1e-6)
        layer = handle.model.get_submodule(path)
        np.testing.assert_allclose(np.linalg.norm(core), layer.core.norm().item(), rtol=1e-4)
        assert np.linalg.norm(core) > 1e-3


def test_the_first_gradient_of_lora_xs_is_the_dense_gradient_seen_from_its_sides():
    dense, handle = llama(), attach({"type": "lora-xs", "rank": 3})
    ids = batch()
    dense(input_ids=ids, labels=ids).loss.backward()
    handle.model(input_ids=ids, labels=ids).loss.backward()
    for path, layer in handle.layers():
        gradient = dense.get_submodule(path).weight.grad
        torch.testing.assert_close(layer.core.grad, layer.left.T @ gradient @ layer.right.T, rtol=1e-4, atol=1e-7)


@EVERY
def test_export_and_load_give_the_same_logits(settings, tmp_path):
    handle = attach(settings, llama().to(torch.bfloat16))
    train(handle)
    handle.export(tmp_path)
    again = attach(settings, llama().to(torch.bfloat16))
    for _, tensor in again.stored_tensors().items():  # what is loaded must not lean on the same machine's SVD
        with torch.no_grad():
            tensor.neg_()
    again.load(tmp_path)
    assert torch.equal(last_logits(again.model, batch()), last_logits(handle.model, batch()))


@EVERY
def test_a_rank_above_a_side_is_refused_in_one_sentence_and_leaves_the_model_alone(settings):
    model = llama()
    wanted = last_logits(model, batch())
    with pytest.raises(
        MethodError, match=r"smaller side of model\.layers\.0\.self_attn\.k_proj \(16 x 32\); set it to at most 16"
    ) as refused:
        attach(settings | {"rank": 17}, model)
    assert "\n" not in str(refused.value)
    assert type(model.model.layers[0].self_attn.k_proj) is torch.nn.Linear
    assert torch.equal(last_logits(model, batch()), wanted)


@EVERY
def test_a_tied_head_is_refused_and_an_untied_one_can_be_adapted(settings):
    targets = {"targets": ["q_proj", "lm_head"]}
    with pytest.raises(MethodError, match="tied embeddings"):
        attach(settings | targets, tied_qwen())
    handle, record = attested(settings | targets, settings | targets)
    assert record.problems == []
    assert handle.trainable_parameters < attach(settings).trainable_parameters


@EVERY
def test_biases_stay_the_bases(settings):
    handle = attach(settings, tied_qwen())
    train(handle)
    weights, base = dict(handle.effective_weights()), dict(tied_qwen().named_parameters())
    names = [name for name in base if name.endswith("bias")]
    assert len(names) == 6 and all(torch.equal(weights[name], base[name]) for name in names)


TYPES = ("milora", "rlpo", "rlmo", "geora", "lora-null", "oplora", "lora-xs")


@pytest.mark.parametrize("claimed", TYPES)
def test_every_other_low_rank_method_than_the_claimed_one_is_caught(claimed):
    def record(actual: str):
        torch.manual_seed(0)
        model = LlamaForCausalLM(LlamaConfig(**SIZE | {"num_hidden_layers": 1}))
        return attested({"type": claimed, "rank": 4}, {"type": actual, "rank": 4}, model)[1]

    assert record(claimed).problems == []
    for actual in {*TYPES, "lora", "pissa"} - {claimed}:
        assert record(actual).problems, actual


@pytest.mark.parametrize(
    ("claimed", "actual", "words"),
    [
        ({"type": "milora"}, {"type": "lora", "alpha": 4}, "differs from the asked part of W0 by 1 of its norm"),
        ({"type": "milora"}, {"type": "lora-null"}, "differs from the asked part of W0"),
        ({"type": "rlpo"}, {"type": "lora"}, "the rows of A are not orthonormal"),
        ({"type": "rlpo"}, {"type": "rlmo"}, "0.0% of A lies in the top 4 right singular vectors"),
        ({"type": "rlmo"}, {"type": "rlpo"}, "0.0% of A lies in the bottom 4 right singular vectors"),
        ({"type": "geora"}, {"type": "geora", "start": "tail"}, "differs from the asked part of W0"),
        ({"type": "geora", "start": "random"}, {"type": "geora"}, "differs from the asked part of W0"),
        ({"type": "geora", "density": 0.2}, {"type": "geora", "density": 0.25}, "differs from the asked part of W0"),
        ({"type": "lora-null"}, {"type": "milora"}, "not computed on calibration prompts"),
        ({"type": "lora-null", "freeze_down": True}, {"type": "lora-null"}, "is trainable and should not be"),
        ({"type": "oplora"}, {"type": "lora"}, "no ProjectedLinear is on the model"),
        ({"type": "oplora", "protected": 6}, {"type": "oplora", "protected": 5}, "of an update in the merged weight"),
        ({"type": "lora-xs"}, {"type": "oplora"}, "no CoreLinear is on the model"),
        ({"type": "milora", "targets": ["q_proj"]}, {"type": "milora"}, "has an adapter but is no target"),
        ({"type": "lora-null"}, {"type": "lora-null", "targets": ["q_proj"]}, "is a target without an adapter"),
        ({"type": "lora-xs", "targets": ["q_proj"]}, {"type": "lora-xs"}, "is trainable and should not be"),
        ({"type": "rlpo"}, {"type": "oplora"}, "no LoRA layer is on the model"),
        ({"type": "geora"}, {"type": "lora-xs"}, "no LoRA layer is on the model"),
    ],
)
def test_a_start_that_only_its_numbers_give_away_is_caught(claimed, actual, words):
    _, record = attested(claimed | {"rank": 4}, actual | {"rank": 4})
    assert words in problems(record)


def change(settings, alter, prompts=PROMPTS) -> str:
    """The problems of a start after `alter(layer)` on every adapted layer."""
    model, method = llama(), create(settings)
    observation = observe(model, method)
    handle = attach(settings, model, prompts=prompts)
    adapted = [m for m in handle.live.modules() if hasattr(m, "lora_A") or isinstance(m, LowRankLinear)]
    with torch.no_grad():
        for layer in adapted:
            alter(layer)
    return problems(begin(method, handle, observation))


def test_wrong_starts_by_hand_are_caught():
    def lopsided(layer):
        layer.lora_A["default"].weight.mul_(4)
        layer.lora_B["default"].weight.div_(4)

    def unscaled(layer):
        layer.left.copy_(layer.left / layer.left.norm(dim=0))

    def skewed(layer):
        layer.lora_A["default"].weight[0].mul_(1.01)

    def empty(layer):
        layer.lora_A["default"].weight.zero_()

    def not_zero(layer):
        layer.lora_B["default"].weight[0, 0] = 1e-4

    def shifted(layer):
        layer.get_base_layer().weight.mul_(1.001)

    def turned(layer):
        layer.right_basis.copy_(layer.right_basis.roll(1, dims=1))

    assert "in equal shares" in change({"type": "milora", "rank": 4}, lopsided)
    assert "differs from the top 4 of W0" in change({"type": "lora-xs", "rank": 4}, unscaled)
    assert "not orthonormal" in change({"type": "rlmo", "rank": 4}, skewed)
    assert "0.0% of A lies in the top" in change({"type": "rlpo", "rank": 4}, empty)
    assert "B is not zero" in change({"type": "rlpo", "rank": 4}, not_zero)
    assert "residual plus adapter differs from the base" in change({"type": "geora", "rank": 4}, shifted)
    assert "residual plus adapter differs from the base" in change({"type": "lora-null", "rank": 4}, shifted)
    assert "lies where none may be" in change({"type": "oplora", "rank": 4}, turned)


def test_a_null_space_of_other_prompts_is_caught():
    model, method = llama(), create({"type": "lora-null", "rank": 4})
    observation = observe(model, method)
    handle = method.attach(model, 0, PROMPTS)
    handle.calibration = [[20, 21, 22], [30, 31, 32, 33]]
    assert "of the calibration inputs' energy lies in the rows of A" in problems(begin(method, handle, observation))


@pytest.mark.parametrize("kind", [ProjectedLinear, CoreLinear])
def test_a_projection_that_is_missing_from_the_forward_pass_or_from_the_merge_is_caught(kind, monkeypatch):
    settings = {"type": "oplora" if kind is ProjectedLinear else "lora-xs", "rank": 4}

    def loose(layer):
        return (layer.up, layer.down) if kind is ProjectedLinear else (layer.left @ layer.core + 0.01, layer.right)

    def loose_forward(layer, input):
        left, right = loose(layer)
        return layer.base_layer(input) + layer.scale * input @ right.T @ left.T

    def loose_weight(layer):
        left, right = loose(layer)
        return layer.base_layer.weight + layer.scale * left @ right, layer.base_layer.bias

    for name, wrong, words in (("forward", loose_forward, "forward pass"), ("weight_and_bias", loose_weight, "merged")):
        with monkeypatch.context() as patched:
            patched.setattr(kind, name, wrong)
            assert f"of an update in the {words}" in problems(attested(settings, settings)[1])


@EVERY
def test_a_frozen_singular_vector_or_residual_that_moves_is_caught(settings):
    handle, record = attested(settings, settings)
    optimizer = train(handle, steps=1)
    name, tensor = [*handle.frozen_tensors(), *handle.frozen_additions()][-1]
    with torch.no_grad():
        tensor.view(-1)[0] += 1
    assert f"frozen tensors moved during training, the first is {name}" in problems(finish(record, handle, optimizer))


def test_grouped_queries_with_one_key_head_work():
    torch.manual_seed(0)
    config = LlamaConfig(**SIZE | {"num_key_value_heads": 1})
    for settings in ({"type": "milora", "rank": 8}, {"type": "oplora", "rank": 3, "protected": 5}):
        _, record = attested(settings, settings, LlamaForCausalLM(config))
        assert record.problems == []
