"""The diagonal Fisher information of a model on its own completions.

    F_i = E_x E_(y ~ p(.|x)) [ (d log p(y|x) / d w_i)^2 ]

x are the calibration prompts; y is what the model itself samples after x at temperature 1, up to its end-of-text token
or a fixed length, one completion a prompt. This is the Fisher of the policy that RLVR starts from ("Lens of Fisher",
arXiv 2609.36262), not the gradient on given answers: no reward and no gold answer enters. The gradient is that of a
whole completion, as in the policy gradient; since the terms of its tokens are uncorrelated under the model, that
estimates the sum of the tokens' Fisher information.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from transformers import GenerationConfig, PreTrainedModel

from rlvr_bench.methods.base.method import Calibration
from rlvr_bench.methods.base.plain import in_training_mode
from rlvr_bench.methods.base.seeding import forked_random_state

SAMPLED, BATCH = 64, 8
"""Prompts that are continued at a time, and completions whose logits are held at a time."""


class Completion(NamedTuple):
    """Token ids of a prompt and what the model sampled after it (length,), and how many of them are the prompt's."""

    token_ids: Tensor
    prompt_tokens: int

    def log_prob(self, logits: Tensor) -> Tensor:
        """Return the log-probability of the sampled tokens under `logits` (length, vocabulary) of the sequence."""
        sampled = self.token_ids[self.prompt_tokens :]
        log_probs = logits[self.prompt_tokens - 1 : -1].float().log_softmax(dim=-1)
        return log_probs.gather(1, sampled[:, None]).sum()


def sample(model: PreTrainedModel, prompts: Calibration, max_new_tokens: int, seed: int) -> list[Completion]:
    """Return one sampled completion for every prompt; the same for the same `seed`."""
    completions: list[Completion] = []
    with forked_random_state(seed), _plain_generation(model) as end:
        for first in range(0, len(prompts), SAMPLED):
            completions += _continued(model, prompts[first : first + SAMPLED], max_new_tokens, end)
    return completions


def diagonal(model: PreTrainedModel, paths: Sequence[str], completions: Sequence[Completion]) -> dict[str, Tensor]:
    """Return path -> mean squared gradient (out, in; float32) of the linear modules `paths`, over the completions.

    Freezes all parameters of `model`. The gradient of one completion is D' X, X (tokens, in) the inputs of the module
    and D (tokens, out) the derivatives by its outputs, so that one backward pass serves a batch of completions.
    """
    model.requires_grad_(False)
    squares = {path: torch.zeros_like(model.get_submodule(path).weight, dtype=torch.float32) for path in paths}
    hooks = [model.get_submodule(path).register_forward_hook(_squaring(total)) for path, total in squares.items()]
    hooks.append(model.get_input_embeddings().register_forward_hook(_start_graph))
    with in_training_mode(model, False), torch.enable_grad():
        for first in range(0, len(completions), BATCH):
            log_prob(model, completions[first : first + BATCH]).backward()
    for hook in hooks:
        hook.remove()
    return {path: total / len(completions) for path, total in squares.items()}


def _start_graph(_: nn.Module, __: tuple[Tensor, ...], embedded: Tensor) -> None:
    """Let a graph begin at the embeddings, although no parameter asks for a gradient (a forward hook)."""
    embedded.requires_grad_(True)


def log_prob(model: nn.Module, completions: Sequence[Completion]) -> Tensor:
    """Return the summed log-probability of `completions`, padded on the right, where no earlier token looks."""
    padded = pad_sequence([completion.token_ids for completion in completions], batch_first=True)
    logits = model(input_ids=padded, use_cache=False).logits
    terms = [done.log_prob(row[: len(done.token_ids)]) for done, row in zip(completions, logits, strict=True)]
    return torch.stack(terms).sum()


def _squaring(total: Tensor) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
    """Return a forward hook that adds the squared gradient of each sequence of a batch to `total` (out, in)."""

    def watch(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        seen = inputs[0].detach()

        def square(derivatives: Tensor) -> None:
            for read, derivative in zip(seen, derivatives, strict=True):
                gradient = derivative.float().T @ read.float()
                total.addcmul_(gradient, gradient)

        output.register_hook(square)

    return watch


def _continued(model: PreTrainedModel, prompts: Calibration, max_new_tokens: int, end: set[int]) -> list[Completion]:
    width = max(map(len, prompts))
    config = GenerationConfig(
        do_sample=True,
        temperature=1.0,
        top_k=0,
        top_p=1.0,
        max_new_tokens=max_new_tokens,
        eos_token_id=sorted(end) or None,
        pad_token_id=0,
    )
    sequences = model.generate(
        input_ids=torch.tensor([[0] * (width - len(prompt)) + list(prompt) for prompt in prompts], device=model.device),
        attention_mask=torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prompts], device=model.device),
        generation_config=config,
    )
    return [
        Completion(row[width - len(prompt) :][: len(prompt) + _length(row[width:].tolist(), end)], len(prompt))
        for row, prompt in zip(sequences, prompts, strict=True)
    ]


def _length(tokens: list[int], end: set[int]) -> int:
    """Return how many tokens there are up to and with the first that ends a text; all when there is none."""
    return next((position + 1 for position, token in enumerate(tokens) if token in end), len(tokens))


@contextmanager
def _plain_generation(model: PreTrainedModel) -> Iterator[set[int]]:
    """Give the tokens that end a text; inside, none of the other settings that a model may ship (top-k, penalties)."""
    shipped, model.generation_config = model.generation_config, GenerationConfig()
    end = shipped.eos_token_id
    try:
        with in_training_mode(model, False):
            yield set() if end is None else {end} if isinstance(end, int) else set(end)
    finally:
        model.generation_config = shipped
