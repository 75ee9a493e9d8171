"""The measurement `sharpness`: the largest eigenvalue of the loss's Hessian over what a method trains, at its start.

Gradient descent diverges at learning rates above two over this eigenvalue, which is said to order the best rates of
methods (arXiv 2602.04998). The loss is the negative log-likelihood per token of gold solutions, as in supervised
fine-tuning, and of the base's own completions, whose gradients are what RLVR weighs: there the Hessian is in
expectation the Fisher information. An optimizer that scales its steps sees another matrix.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from rlvr_bench.geometry.lanczos import largest_eigenvalue
from rlvr_bench.geometry.measurements import Sharpness
from rlvr_bench.measure.context import CellContext, TrainedModel
from rlvr_bench.measure.measurement import Measurement
from rlvr_bench.methods.base.handle import Handle
from rlvr_bench.methods.base.plain import in_training_mode
from rlvr_bench.methods.masks.fisher import BATCH, Completion, log_prob, sample
from rlvr_bench.tasks import solutions

SEED = 0
"""Of the sampled completions."""
DIGITS = 6


class SharpnessOfCell(Measurement[Sharpness]):
    """By loss `eigenvalue`, `residual` (some eigenvalue lies within it) and `products`; the task has gold solutions."""

    def before(self, context: CellContext) -> None:
        """See `Measurement`; the same completions for every method on a base."""
        problems = context.task.problems("train")[: self.settings.problems]
        prompts = context.encoded(problems)
        own = sample(context.reference, prompts, context.cell.signal.max_new_tokens, SEED)
        tokenizer = context.loaded.tokenizer
        texts = [solutions.gold(context.task, problem) for problem in problems]
        answers = [tokenizer(text, add_special_tokens=False)["input_ids"] + [tokenizer.eos_token_id] for text in texts]
        gold = [
            Completion(torch.tensor(prompt + answer, device=context.reference.device), len(prompt))
            for prompt, answer in zip(prompts, answers, strict=True)
        ]
        self._completions = {"gold": gold, "own": own}

    def attached(self, context: CellContext, handle: Handle) -> None:
        """See `Measurement`."""
        self._found = {
            name: sharpness(handle, completions, self.settings.products)
            for name, completions in self._completions.items()
        }

    def after(self, context: CellContext, trained: TrainedModel) -> dict[str, Any]:
        """See `Measurement`; what was found before the first step."""
        return self._found


def sharpness(handle: Handle, completions: Sequence[Completion], products: int) -> dict[str, float]:
    """Return the largest eigenvalue of the Hessian of the loss on `completions` over the handle's trainable values."""
    parameters = [parameter for _, parameter in handle.trainable()]
    with in_training_mode(handle.model, False):
        found = largest_eigenvalue(
            lambda vector: hessian_product(handle.model, parameters, completions, vector),
            torch.cat([parameter.detach().flatten() for parameter in parameters]),
            products,
        )
    return {
        "eigenvalue": _short(found.value),
        "residual": _short(found.residual),
        "products": float(found.products),
    }


def hessian_product(
    model: nn.Module, parameters: Sequence[nn.Parameter], completions: Sequence[Completion], vector: Tensor
) -> Tensor:
    """Return the Hessian of the mean negative log-likelihood per token times a vector, both over `parameters` (size,).

    The gradient is differentiated once more along the vector (Pearlmutter 1994), which fused attention does not allow.
    """
    tokens = sum(len(each.token_ids) - each.prompt_tokens for each in completions)
    parts = vector.split([parameter.numel() for parameter in parameters])
    total = torch.zeros_like(vector)
    with sdpa_kernel(SDPBackend.MATH), torch.enable_grad():
        for first in range(0, len(completions), BATCH):
            loss = -log_prob(model, completions[first : first + BATCH]) / tokens
            slopes = torch.autograd.grad(loss, parameters, create_graph=True, materialize_grads=True)
            along = sum((slope.flatten() @ part for slope, part in zip(slopes, parts, strict=True)), loss.new_zeros(()))
            if along.requires_grad:  # not where the loss is linear in them
                rows = torch.autograd.grad(along, parameters, materialize_grads=True)
                total += torch.cat([row.flatten() for row in rows])
    return total


def _short(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
