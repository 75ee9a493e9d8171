"""Groups of targets on decoders of any architecture, and GPT-2's Conv1D as a linear layer."""

import ast
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from architectures import ARCHITECTURES, ENDINGS_OF_CONTAINERS, ROUTERS, made, tiny
from torch import nn
from transformers import GPT2Config, GPT2LMHeadModel

from rlvr_bench.cell.load import load
from rlvr_bench.experiment.experiment import Experiment
from rlvr_bench.experiment.grid import cells
from rlvr_bench.methods.base.method import LINEAR_TARGETS, ends_with, target_weights
from rlvr_bench.methods.base.targets import group_paths, linear_targets, resolve_targets
from rlvr_bench.methods.errors import MethodError
from rlvr_bench.methods.registry import create
from rlvr_bench.models.base import folder_of, load_tokenizer
from rlvr_bench.models.config import BaseConfig
from rlvr_bench.models.loading import load_causal_lm
from rlvr_bench.plan.states import plan
from rlvr_bench.plan.targets import with_targets

ORGANISM = BaseConfig(name="organism-steps")
RATE = {"learning_rate": 1e-3}
WITHOUT_ATTENTION = {"mamba2"}


def named(model: nn.Module, endings: Sequence[str]) -> list[str]:
    """The modules, of any kind, that endings name: what PEFT puts adapters on."""
    return [path for path, _ in model.named_modules() if ends_with(path, endings)]


def test_endings_of_a_group_name_no_container() -> None:
    model = made(*ENDINGS_OF_CONTAINERS)
    resolved = resolve_targets(create({"type": "lora"}), model)
    assert named(model, resolved.targets) == group_paths(model, "all-linear") != []


def test_what_returns_more_than_a_product_is_in_no_group_and_a_model_without_decoder_is_refused() -> None:
    model = made(*ROUTERS)
    (router,) = (path for path, _ in model.named_modules() if path.endswith("router"))
    assert isinstance(model.get_submodule(router), nn.Linear) and router not in group_paths(model, "all-linear")
    for method in ("full", "lora", "mask"):
        asked = create({"type": method} | ({"select": "random", "density": 0.1} if method == "mask" else {}))
        with pytest.raises(MethodError, match="has no decoder of its own"):
            resolve_targets(asked, model).refuse_misfit(model)


@pytest.mark.parametrize("name", ["mamba2", "falcon-h1"])
def test_a_weight_that_is_read_past_an_adapter_is_refused_with_the_fix(name: str) -> None:
    model = tiny(name)
    with pytest.raises(MethodError, match=r"cannot put LORA on .*out_proj of .*; leave it out of targets"):
        resolve_targets(create({"type": "lora"}), model).refuse_misfit(model)
    create({"type": "lora", "targets": ["in_proj"]}).refuse_misfit(model)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_groups_are_disjoint_leave_the_head_out_and_make_up_all_linear(name: str) -> None:
    model = tiny(name)
    every, attention, mlp = (group_paths(model, group) for group in ("all-linear", "attention", "mlp"))
    assert bool(attention) == (name not in WITHOUT_ATTENTION) and sorted(attention + mlp) == sorted(every)
    outside = {id(model.get_output_embeddings()), id(model.get_input_embeddings())}
    assert not outside & {id(model.get_submodule(path)) for path in every}


@pytest.mark.parametrize("group", ["all-linear", "attention", "mlp"])
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_resolved_endings_name_the_group_and_nothing_else(name: str, group: str) -> None:
    model = tiny(name)
    wanted = group_paths(model, group)
    lora = create({"type": "lora", "targets": group})
    if not wanted:
        with pytest.raises(MethodError, match=r"names no linear module of .*fused"):
            resolve_targets(lora, model)
        return
    resolved = resolve_targets(lora, model)
    assert linear_targets(model, resolved.targets) == wanted == named(model, resolved.targets)
    shapes = {key: tuple(parameter.shape) for key, parameter in model.named_parameters()}
    assert set(target_weights(shapes, resolved.targets)) == set(wanted)  # the config counts what attaching trains
    assert resolve_targets(resolved, model) == resolved


@pytest.mark.parametrize(
    ("name", "group", "targets"),
    [
        ("llama", "all-linear", LINEAR_TARGETS),
        ("phi3", "attention", ("o_proj", "qkv_proj")),
        ("gpt2", "attention", ("c_attn", "attn.c_proj")),
        ("gpt2", "mlp", ("c_fc", "mlp.c_proj")),
        ("gpt-neox", "mlp", ("dense_h_to_4h", "dense_4h_to_h")),
        ("opt", "attention", ("k_proj", "v_proj", "q_proj", "out_proj")),
        ("lfm2", "mlp", ("in_proj", "conv.out_proj", "w1", "w3", "w2")),
        ("mixtral", "all-linear", ("q_proj", "k_proj", "v_proj", "o_proj")),
    ],
)
def test_groups_by_name(name: str, group: str, targets: tuple[str, ...]) -> None:
    assert resolve_targets(create({"type": "lora", "targets": group}), tiny(name)).targets == targets


def test_ia3_scales_the_inputs_of_what_closes_a_feed_forward_block() -> None:
    assert resolve_targets(create({"type": "ia3"}), tiny("gpt2")).feedforward == ("mlp.c_proj",)
    given = create({"type": "ia3", "feedforward": ["c_fc"]})
    assert resolve_targets(given, tiny("gpt2")).feedforward == ("c_fc",)


def test_names_that_match_nothing_are_answered_with_those_that_exist() -> None:
    asked = resolve_targets(create({"type": "lora", "targets": ["qq"]}), tiny("gpt-neox"))
    with pytest.raises(MethodError, match=r"'qq', .*dense, dense_4h_to_h, dense_h_to_4h.*query_key_value"):
        asked.refuse_misfit(tiny("gpt-neox"))


def test_a_loaded_gpt2_has_linear_layers_and_is_saved_as_it_was_stored(tmp_path: Path) -> None:
    torch.manual_seed(0)
    stored = GPT2LMHeadModel(GPT2Config(vocab_size=64, n_embd=32, n_layer=2, n_head=4, n_positions=32)).eval()
    stored.save_pretrained(tmp_path / "stored")
    loaded, ids = load_causal_lm(tmp_path / "stored").eval(), torch.arange(20).view(2, 10)
    torch.testing.assert_close(loaded(ids).logits, stored(ids).logits, rtol=1e-5, atol=1e-5)
    assert type(loaded.transformer.h[0].attn.c_attn).__mro__[1] is torch.nn.Linear
    assert loaded.transformer.h[0].attn.c_attn.weight.shape == (96, 32)  # (out, in), as for every other model
    loaded.save_pretrained(tmp_path / "again")
    again = GPT2LMHeadModel.from_pretrained(tmp_path / "again").eval()
    for name, parameter in stored.named_parameters():
        assert torch.equal(parameter, again.get_parameter(name)), name
    loaded.load_state_dict(stored.state_dict())
    torch.testing.assert_close(loaded(ids).logits, stored(ids).logits, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "method", [{"type": "full"}, {"type": "lora", "rank": 2}, {"type": "mask", "select": "random"}]
)
def test_a_trained_gpt2_is_kept_in_the_stored_layout(method: dict[str, object], tmp_path: Path) -> None:
    model, ids = tiny("gpt2"), torch.arange(3, 23).view(2, 10)
    handle = resolve_targets(create(method), model).attach(model, seed=0)
    with torch.no_grad():
        for _, tensor in handle.trainable():
            tensor.add_(0.05 * torch.randn_like(tensor))
    with handle.rollout_weights() as plain:
        wanted = plain(ids).logits
        plain.save_pretrained(tmp_path)
    again = GPT2LMHeadModel.from_pretrained(tmp_path).eval()
    torch.testing.assert_close(again(ids).logits, wanted, rtol=1e-4, atol=1e-4)


def test_a_plan_says_what_targets_are_on_another_base(tmp_path: Path) -> None:
    base = tmp_path / "base"
    GPT2LMHeadModel(GPT2Config(vocab_size=128, n_embd=32, n_layer=2, n_head=4, n_positions=128)).save_pretrained(base)
    load_tokenizer(ORGANISM, folder_of(ORGANISM)).save_pretrained(base)
    experiment = Experiment.model_validate(
        {
            "name": "x",
            "bases": [str(base), "organism-steps"],
            "task": {"name": "chain"},
            "methods": {
                "lora": RATE,
                "other": {"type": "lora", "targets": ["q_proj"]} | RATE,
                "unknown": {"type": "lora", "targets": ["nothing"]} | RATE,
                "mlp": {"type": "mask", "select": "random", "targets": "mlp"} | RATE,
            },
        }
    )
    planned = with_targets(plan(cells(experiment, seeds=(0,)), []))
    told = {(entry.cell.base.name == str(base), entry.cell.method_name): entry.targets for entry in planned}
    assert told[True, "lora"] == "c_attn, attn.c_proj, c_fc, mlp.c_proj"
    assert told[True, "mlp"] == "c_fc, mlp.c_proj"
    assert told[True, "other"].startswith("refused: targets names 'q_proj', which no linear module of GPT2LMHeadModel")
    assert told.pop((False, "unknown")).startswith("refused: targets names 'nothing', which no linear module of Llama")
    assert {targets for (other, _), targets in told.items() if not other} == {""}


def test_a_cell_that_does_not_fit_ends_before_its_base_is_scored(tmp_path: Path) -> None:
    base = tmp_path / "base"
    GPT2LMHeadModel(GPT2Config(vocab_size=128, n_embd=32, n_layer=1, n_head=2, n_positions=48)).save_pretrained(base)
    load_tokenizer(ORGANISM, folder_of(ORGANISM)).save_pretrained(base)
    document = {"name": "x", "bases": [str(base)], "task": {"name": "chain"}}
    lora = {"methods": {"lora": {"rank": 2, "targets": ["q_proj"]} | RATE}}
    short = {"signal": {"type": "rlvr", "max_new_tokens": 4}, "evaluate": {"max_new_tokens": 4}}
    (long,) = cells(Experiment.model_validate(document | lora | {"signal": {"max_new_tokens": 60}}), seeds=(0,))
    with pytest.raises(
        ValueError, match=r"\(chain, train\), the model's context is 48; lower signal.max_new_tokens to"
    ):
        load(long)
    answers = {"signal": short["signal"], "evaluate": {"max_new_tokens": 60}}
    (scored,) = cells(Experiment.model_validate(document | lora | answers), seeds=(0,))
    with pytest.raises(ValueError, match=r"context is 48; lower evaluate.max_new_tokens to"):
        load(scored)
    (misfit,) = cells(Experiment.model_validate(document | lora | short), seeds=(0,))
    with pytest.raises(MethodError, match=r"'q_proj', which no linear module of GPT2LMHeadModel ends in"):
        load(misfit)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_ln_tuning_names_every_norm_of_any_decoder(name: str) -> None:
    model = tiny(name)
    tuning = resolve_targets(create({"type": "ln-tuning"}), model)
    norms = {
        path for path, module in model.named_modules() if "Norm" in type(module).__name__ and [*module.parameters()]
    }
    expected = tuning.expected_trainable({key: tuple(value.shape) for key, value in model.named_parameters()})
    tensors = {f"{path}.{key}" for path in norms for key, _ in model.get_submodule(path).named_parameters()}
    assert len(expected) == len(tensors)
    handle = tuning.attach(model, 0)
    assert {key for key, _ in handle.trainable()} == set(expected)
    handle.live(input_ids=torch.tensor([[5, 6, 7]]))


@pytest.mark.parametrize("name", ["gemma2", "olmo2", "granite", "gpt2", "llama", "qwen2"])
def test_steering_is_refused_where_its_module_does_not_end_the_layer(name: str) -> None:
    model, steering = tiny(name), create({"type": "steering"})
    if name in ("llama", "qwen2"):
        steering.refuse_misfit(model)
        return
    with pytest.raises(
        MethodError, match=r"a norm or a factor follows|which no linear module of GPT2LMHeadModel ends in"
    ):
        steering.refuse_misfit(model)


def test_a_module_that_is_read_past_its_adapter_is_refused_before_anything_runs() -> None:
    """Jamba's `dt_proj`: its adapter would be left out of the forward pass, and merged into what is sampled from."""
    model = tiny("jamba")
    for kind in ("lora", "pissa", "dora"):
        method = resolve_targets(create({"type": kind, "rank": 4}), model)
        with pytest.raises(MethodError, match=r"'dt_proj' of Jamba.* never called.* set targets to \['down_proj', "):
            method.refuse_misfit(model)
    resolve_targets(create({"type": "mask", "select": "random", "density": 0.1}), model).refuse_misfit(model)


def test_what_the_refusal_proposes_starts_at_the_base() -> None:
    model = tiny("jamba")
    method = resolve_targets(create({"type": "pissa", "rank": 4}), model)
    with pytest.raises(MethodError) as refused:
        method.refuse_misfit(model)
    proposed = ast.literal_eval(str(refused.value).partition("set targets to ")[2])
    tokens = torch.arange(20)[None]
    with torch.no_grad():
        before = model(tokens).logits
        method = create({"type": "pissa", "rank": 4, "targets": proposed})
        method.refuse_misfit(model)
        after = method.attach(model, 0).model(tokens).logits
    assert float((after - before).abs().max()) < 1e-4


def test_a_model_without_weights_is_not_tried() -> None:
    with torch.device("meta"):
        model = tiny("jamba")
    resolve_targets(create({"type": "lora", "rank": 4}), model).refuse_misfit(model)
