"""The proof that weights reach a backend, on backends that lose a kind of tensor on purpose."""

import copy
from typing import Any

import pytest
import torch
from generate_models import tiny_model

from rlvr_bench.generate.backend import Completions
from rlvr_bench.generate.errors import GenerationError
from rlvr_bench.generate.hf import HfBackend
from rlvr_bench.generate.sync_proof import check_sync, kinds, sync_differences, trained_kinds

BIASED = "llama, biases, llama3 rope"


class _Deaf:
    """transformers on a copy of the model, into which the parameters of one kind are never written."""

    name = "deaf"

    def __init__(self, model: Any, lost: str | None) -> None:
        self._model, self._lost = copy.deepcopy(model), set(kinds(model)[lost]) if lost else set()

    def refusal(self, model: Any) -> None:
        return None

    def generate(self, model: Any, prompts: Any, params: Any) -> Completions:
        own = dict(self._model.named_parameters())
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if name not in self._lost:
                    own[name].copy_(parameter)
        return HfBackend().generate(self._model, prompts, params)


@pytest.mark.parametrize("config", ["llama, tied", BIASED])
def test_a_backend_that_takes_everything_over_passes(config: str) -> None:
    model = tiny_model(config)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    assert max(sync_differences(_Deaf(model, None), model).values()) < 1e-4
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize("lost", ["embedding", "head", "norm", "bias", "linear"])
def test_each_kind_that_is_lost_is_found_and_refused_where_it_is_trained(lost: str) -> None:
    model = tiny_model(BIASED)
    backend = _Deaf(model, lost)
    with pytest.raises(GenerationError, match=f"of kind {lost}.*which this method trains"):
        check_sync(backend, model, torch.float32, [lost])


def test_a_lost_kind_does_not_hinder_a_method_that_leaves_it_alone() -> None:
    model = tiny_model("llama, tied")
    names = list(kinds(model))
    assert names == ["embedding", "norm", "linear"] or set(names) == {"embedding", "norm", "linear"}
    assert sync_differences(_Deaf(model, "linear"), model)["embedding"] < 1e-4
    check_sync(_Deaf(model, "linear"), model, torch.float32, ["embedding"])


@pytest.mark.parametrize("config", ["llama, tied", BIASED])
def test_a_lost_kind_blames_no_other(config: str) -> None:
    model = tiny_model(config)
    for lost in kinds(model):
        differences = sync_differences(_Deaf(model, lost), model)
        assert {kind for kind, off in differences.items() if off > 1e-3} == {lost}


def test_trained_kinds_follow_the_names_of_the_trainable_tensors() -> None:
    model = tiny_model(BIASED)
    lora = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.default.weight"
    assert trained_kinds(model, [lora]) == {"linear"}
    assert trained_kinds(model, ["model.layers.1.mlp.up_proj.bias", "model.norm.weight"]) == {"bias", "norm"}
    assert trained_kinds(model, [name for name, _ in model.named_parameters()]) == set(kinds(model))
    assert trained_kinds(model, ["base_model.shared_matrix"]) == set(kinds(model))
