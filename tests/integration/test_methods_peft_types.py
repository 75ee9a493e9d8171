"""Every adapter type that the installed PEFT registers, by name: trained and attested, or refused in one sentence."""

from typing import Any

import pytest
import torch
from method_runs import attested
from peft import LoraConfig
from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING
from peft.utils.peft_types import PeftType
from tiny_models import batch, llama

from rlvr_bench.methods import MethodError, create
from rlvr_bench.methods.base.plain import last_logits
from rlvr_bench.methods.conformance import Suite
from rlvr_bench.methods.conformance.case import KINDS
from rlvr_bench.methods.peft import any_type as peft_any
from rlvr_bench.methods.peft import catalog as peft_catalog

REGISTERED = sorted(kind.value for kind in PEFT_TYPE_TO_CONFIG_MAPPING)

KEYS: dict[str, dict[str, Any]] = {
    "ADALORA": {"total_step": 3, "tinit": 0, "tfinal": 1},
    "ADAMSS": {"r": 8, "num_subspaces": 2},
    "ADAPTION_PROMPT": {"adapter_len": 4, "adapter_layers": 2},
    "C3A": {"block_size": 8},
    "CARTRIDGE": {"num_virtual_tokens": 4},
    "FOURIERFT": {"n_frequency": 50},
    "MISS": {"r": 8},
    "MULTITASK_PROMPT_TUNING": {"num_virtual_tokens": 4},
    "PREFIX_TUNING": {"num_virtual_tokens": 4},
    "PROMPT_TUNING": {"num_virtual_tokens": 4},
    "PSOFT": {"r": 8},
    "P_TUNING": {"num_virtual_tokens": 4},
    "ROAD": {"group_size": 8},
    "SHIRA": {"r": 4},
    "TRAINABLE_TOKENS": {"token_indices": [5, 6, 7]},
    "VBLORA": {"vector_length": 16},
    "WAVEFT": {"n_frequency": 50},
}
"""What a type needs, or needs to fit matrices of 16 to 64 rows; the others are taken at PEFT's own defaults."""


def method(kind: str, **keys: Any):
    return create({"type": "peft", "peft_type": kind} | KEYS.get(kind, {}) | keys)


def refusal(attempt) -> str:
    with pytest.raises(MethodError) as refused:
        attempt()
    sentence = str(refused.value)
    assert "\n" not in sentence and ";" in sentence, sentence  # what is wrong; the fix
    return sentence


def test_the_registered_types_are_those_that_are_told_of():
    assert REGISTERED == peft_catalog.peft_types() == sorted(kind.value for kind in PeftType)
    assert {*peft_any.UNFIT, *peft_any.NEEDED, *KEYS} <= {*REGISTERED}


@pytest.mark.parametrize("kind", REGISTERED)
def test_it_is_trained_and_attested_or_says_why_not(kind):
    if kind in peft_any.UNFIT:
        sentence = refusal(lambda: method(kind))
        assert f"peft_type {kind!r} cannot be trained here: it " in sentence and "; take " in sentence
        return
    handle, record = attested(method(kind))
    assert record.problems == [] and record.valid
    assert record.realised["peft_type"] == kind
    assert handle.trainable_parameters > 0
    dropouts = {key: value for key, value in record.realised["peft_config"].items() if key.endswith("dropout")}
    assert set(dropouts.values()) <= {0.0, None}


@pytest.mark.parametrize("kind", ["BEFT", "DEFT", "FROD", "GLORA", "LILY", "PEANUT", "P_TUNING", "TRAINABLE_TOKENS"])
def test_types_without_a_row_of_their_own_pass_the_kit(kind):
    outcomes = Suite(method(kind), KINDS[:2]).all()
    assert [f"{each.check}: {each.detail}" for each in outcomes if each.status == "failed"] == []


@pytest.mark.parametrize("kind", peft_any.NEEDED)
def test_a_key_without_which_nothing_is_added_is_asked_for(kind):
    for key in peft_any.NEEDED[kind]:
        given = {name: value for name, value in KEYS[kind].items() if name != key}
        with pytest.raises(MethodError, match=f"peft_type '{kind}' needs the key '{key}'"):
            create({"type": "peft", "peft_type": kind} | given)


def test_the_key_that_params_turns_need_not_be_given():
    assert create({"type": "peft", "peft_type": "PROMPT_TUNING", "params": 128}).dial.name == "num_virtual_tokens"


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("POLY", "its forward pass fails on token ids alone: ValueError: task_ids should not be None"),
        ("MULTITASK_PROMPT_TUNING", "its forward pass fails on token ids alone: ValueError: task_ids cannot be None"),
        ("PVERA", "draws at random while it trains"),
        ("CPT", "rewrites prompt_encoder.default.delta_embedding.weight in its forward pass"),
        ("XLORA", "PEFT cannot put XLORA on LlamaForCausalLM"),
    ],
)
def test_a_type_that_no_table_knows_is_tried_out_when_it_is_attached(kind, words, monkeypatch):
    monkeypatch.setattr(peft_any, "UNFIT", {})
    assert words in refusal(lambda: method(kind).attach(llama(), 0))


def test_trying_out_leaves_adapters_modes_and_random_state():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    model = llama().eval()
    torch.set_rng_state(before)
    handle = method("LORA", r=4).attach(model, 0)
    assert torch.equal(torch.get_rng_state(), before)
    assert not model.training
    assert torch.equal(last_logits(handle.model, batch()), last_logits(llama(), batch()))
    assert all(not parameter.any() for name, parameter in handle.trainable() if ".lora_B." in name)


@pytest.mark.parametrize(
    ("kind", "keys", "words"),
    [
        ("C3A", {"block_size": 7}, "or take the method 'c3a', which sets them"),
        ("LORA", {"r": 0}, "`r` should be a positive integer"),
        ("TRAINABLE_TOKENS", {"token_indices": []}, "cannot put TRAINABLE_TOKENS on LlamaForCausalLM"),
        ("ADAPTION_PROMPT", {"adapter_layers": 9}, "cannot put ADAPTION_PROMPT on LlamaForCausalLM"),
        ("PREFIX_TUNING", {"num_virtual_tokens": "four"}, "cannot put PREFIX_TUNING on LlamaForCausalLM"),
    ],
)
def test_keys_that_do_not_fit_are_one_sentence_with_what_where_and_the_fix(kind, keys, words):
    sentence = refusal(lambda: method(kind, **keys).attach(llama(), 0))
    assert words in sentence and "change its keys" in sentence


def test_what_breaks_inside_peft_is_one_sentence(monkeypatch):
    def broken(self) -> None:
        raise KeyError("lost")

    monkeypatch.setattr(LoraConfig, "__post_init__", broken)
    sentence = refusal(lambda: method("LORA").attach(llama(), 0))
    assert "PEFT cannot put LORA on LlamaForCausalLM: KeyError: 'lost'" in sentence


def test_an_unknown_type_is_one_sentence_with_the_nearest():
    with pytest.raises(MethodError, match=r"PEFT's type 'FORD', which release .* lacks; did you mean 'FROD'\?$"):
        method("FORD")
