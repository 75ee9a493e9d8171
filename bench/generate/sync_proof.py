"""Whether new weights reach a backend that holds a copy of the model: each kind of tensor is changed, and looked for.

A tensor that does not arrive is a policy that is sampled and not the one that learns, and says nothing: rewards look
like rewards. Kinds are told apart, since engines lose them one by one (tied embeddings first).
"""

import copy
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from rlvr_bench.generate.backend import Backend
from rlvr_bench.generate.errors import GenerationError
from rlvr_bench.generate.sampling_params import SamplingParams

TOLERANCE = {torch.float32: 1e-3, torch.bfloat16: 1.0}
"""Largest difference of a token's log-probability, in nats, that rounding explains; float32 was measured below 1e-4."""

_CHANGE = 0.1
"""How far a tensor is moved, in its standard deviations; at least in those of a fresh matrix, since biases may be 0."""
_FRESH_DEVIATION = 0.02
_PROMPTS, _PROMPT_LENGTH, _NEW_TOKENS = 4, 8, 8
_SEED = 20_261_129


def kinds(model: PreTrainedModel) -> dict[str, list[str]]:
    """Return kind -> names of parameters: "embedding" (a tied head included), "head", "norm", "bias", "linear"."""
    inputs, outputs = model.get_input_embeddings(), model.get_output_embeddings()
    found: dict[str, list[str]] = {}
    for path, module in model.named_modules():
        for leaf in module._parameters:
            name = f"{path}.{leaf}" if path else leaf
            found.setdefault(_kind(module, leaf, inputs, outputs), []).append(name)
    known = {name for name, _ in model.named_parameters()}
    kept = {kind: [name for name in names if name in known] for kind, names in found.items()}
    return {kind: names for kind, names in kept.items() if names}


def _kind(module: nn.Module, leaf: str, inputs: nn.Module, outputs: nn.Module | None) -> str:
    if leaf == "bias":
        return "bias"
    if module is inputs or module is outputs:
        return "embedding" if module is inputs else "head"
    return "norm" if "Norm" in type(module).__name__ else "linear"


def trained_kinds(model: PreTrainedModel, trainable: Iterable[str]) -> set[str]:
    """Return the kinds of tensors of the plain `model` that training moves.

    Args:
        trainable: names of a method's trainable tensors; one belongs to the longest parameter or module of the base
            whose path it contains. A tensor that belongs to none, such as one that adapters share, may move all.
    """
    every = kinds(model)
    owners = {f".{name}.": kind for kind, names in every.items() for name in names}
    for kind, names in every.items():
        if kind != "bias":  # its module is named by its weight
            owners |= {f".{name.rpartition('.')[0]}.": kind for name in names}
    moved = set[str]()
    for name in trainable:
        holders = [path for path in owners if path in f".{name}."]
        moved |= {owners[max(holders, key=len)]} if holders else set(every)
    return moved


def check_sync(backend: Backend, model: PreTrainedModel, dtype: torch.dtype, moved: Collection[str]) -> None:
    """Raise GenerationError where a kind of tensor that training moves does not reach `backend`."""
    differences = sync_differences(backend, model)
    lost = [kind for kind, off in differences.items() if kind in moved and not off <= TOLERANCE[dtype]]
    if lost:
        raise GenerationError(
            f"Backend {backend.name!r} does not take over changed weights of kind {', '.join(lost)} (log-probabilities "
            f'are {differences[lost[0]]:.2g} nats off), which this method trains; use rollout_backend = "auto".'
        )


def sync_differences(backend: Backend, model: PreTrainedModel) -> Mapping[str, float]:
    """Return kind -> largest difference in nats between backend and transformers after tensors of the kind changed.

    `model` stays as it is; a copy of it is changed, one kind at a time, so that one which is lost blames no other.
    """
    changed = copy.deepcopy(model).eval()
    generator = torch.Generator().manual_seed(_SEED)
    prompts = torch.randint(model.config.vocab_size, (_PROMPTS, _PROMPT_LENGTH), generator=generator).tolist()
    parameters, differences = dict(changed.named_parameters()), dict[str, float]()
    for kind, names in kinds(changed).items():
        before = {name: parameters[name].detach().clone() for name in names}
        for name in names:
            _change(parameters[name], generator)
        differences[kind] = _largest_difference(backend, changed, prompts)
        with torch.no_grad():
            for name, values in before.items():
                parameters[name].copy_(values)
    return differences


@torch.no_grad()
def _change(parameter: Tensor, generator: torch.Generator) -> None:
    deviation = max(float(parameter.std()) if parameter.numel() > 1 else 0.0, _FRESH_DEVIATION)
    noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float32)
    parameter.add_(_CHANGE * deviation * noise.to(parameter))


@torch.no_grad()
def _largest_difference(backend: Backend, model: PreTrainedModel, prompts: list[list[int]]) -> float:
    params = SamplingParams(max_new_tokens=_NEW_TOKENS, temperature=1.0, seed=_SEED, batch_size=len(prompts))
    completions, differences = backend.generate(model, prompts, params), list[Tensor]()
    for prompt, tokens, logprobs in zip(prompts, completions.token_ids, completions.logprobs, strict=True):
        ids: Any = torch.tensor([prompt + tokens], device=model.device)
        scores = model(ids, use_cache=False).logits[0, len(prompt) - 1 : -1].float().log_softmax(dim=-1)
        own = scores.gather(1, ids[0, len(prompt) :, None]).squeeze(1).cpu()
        differences.append((own - torch.tensor(logprobs)).abs().amax())
    return float(torch.stack(differences).amax())  # `max` of numbers would lose a NaN
