"""What a generation backend is, and the registry of backends.

A backend turns prompts into completions; all backends draw their samples in the same way (see `sampling`), so the same
seed gives the same tokens on each, up to floating-point noise. Loss, rewards and scores are not known here.
"""

import importlib
from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol, cast

import torch
from transformers import PreTrainedModel

from rlvr_bench.plugins.suggestion import did_you_mean


class GenerationError(ValueError):
    """A request that no backend, or not the asked one, can serve; the message is one sentence with the fix."""


@dataclass(frozen=True, slots=True)
class Completions:
    """Completions of a list of prompts, in the order of the prompts.

    `token_ids[i]` leaves out prompt and padding and ends with the EOS token if one was sampled. `logprobs[i][t]` is
    the natural logarithm of the probability of that token under softmax(logits / temperature); under softmax(logits)
    for greedy decoding. `entropies[i][t]` is the entropy in nats of that distribution; None where a backend cannot
    tell. `truncated[i]` says that no EOS came within the limit.
    """

    token_ids: list[list[int]]
    logprobs: list[list[float]]
    entropies: list[list[float]] | None
    truncated: list[bool]


class Backend(Protocol):
    """One way to run a model forward, token by token."""

    name: str

    def refusal(self, model: PreTrainedModel) -> str | None:
        """Why this backend cannot run `model`, as one sentence; None when it can."""

    def generate(
        self,
        model: PreTrainedModel,
        prompts: list[list[int]],
        *,
        max_new_tokens: int,
        temperature: float,
        seed: int,
        eos_ids: Collection[int],
        pad_id: int,
        batch_size: int,
    ) -> Completions:
        """Complete every prompt; `temperature` 0 is greedy decoding, above 0 the whole distribution is sampled.

        A row depends on the seed, its prompt and how many times that prompt stood before it in `prompts`; not on
        which other rows are asked for, nor on `batch_size` (rows decoded at once). A prompt that is repeated is a
        group of independent samples. No global random state is read or written.

        Raises:
            GenerationError: the model is not supported, or the request is out of range.
        """


AUTO = "auto"

# Loaded when asked for: a backend may need an optional package.
_BACKENDS = {
    "continuous": ("rlvr_bench.generate.continuous", "ContinuousBackend"),
    "fast": ("rlvr_bench.generate.fast", "FastBackend"),
    "hf": ("rlvr_bench.generate.hf", "HfBackend"),
    "vllm": ("rlvr_bench.generate.vllm", "VllmBackend"),
}
_PRECISE = ("fast", "hf")


def names() -> list[str]:
    """Names that `create` knows."""
    return sorted(_BACKENDS)


def create(name: str, compute_dtype: torch.dtype = torch.float32) -> Backend:
    """The backend of this name; `compute_dtype` is what it computes in, where that is its own choice (fast and hf).

    Raises:
        GenerationError: no backend has this name.
    """
    if name not in _BACKENDS:
        raise GenerationError(f"Unknown generation backend {name!r}{did_you_mean(name, [*_BACKENDS, AUTO])}.")
    module, attribute = _BACKENDS[name]
    kind = getattr(importlib.import_module(module), attribute)
    return cast(Backend, kind(compute_dtype) if name in _PRECISE else kind())


def create_for(name: str, model: PreTrainedModel, compute_dtype: torch.dtype = torch.float32) -> Backend:
    """The backend of this name, ready for `model`; "auto" is the fast path where it supports the model, else "hf".

    The result's `name` says which one it is, for the record.

    Raises:
        GenerationError: no backend has this name, or the named one cannot run the model.
    """
    if name == AUTO:
        fast = create("fast", compute_dtype)
        return fast if fast.refusal(model) is None else create("hf", compute_dtype)
    backend = create(name, compute_dtype)
    if (reason := backend.refusal(model)) is not None:
        raise GenerationError(reason)
    return backend


def check_request(prompts: list[list[int]], max_new_tokens: int, temperature: float, batch_size: int) -> None:
    """Refuse what would otherwise end as a shape error deep in a model.

    Raises:
        GenerationError: an empty prompt, or a number out of its range.
    """
    for index, prompt in enumerate(prompts):
        if not prompt:
            raise GenerationError(f"Prompt {index} has no tokens; give every prompt at least one (for example BOS).")
    if max_new_tokens < 1 or batch_size < 1:
        raise GenerationError(
            f"Got max_new_tokens={max_new_tokens} and batch_size={batch_size}; both have to be 1 or more."
        )
    if not 0.0 <= temperature < float("inf"):
        raise GenerationError(f"Got temperature={temperature}; it has to be 0 (greedy) or a positive number.")


def batches(prompts: list[list[int]], batch_size: int) -> list[list[int]]:
    """Row numbers in batches of at most `batch_size`, shortest prompts first, equal prompts side by side."""
    order = sorted(range(len(prompts)), key=lambda row: (len(prompts[row]), prompts[row]))
    return [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
