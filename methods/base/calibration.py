"""What the training prompts excite in a model: the directions in which the inputs of a module are smallest."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from rlvr_bench.methods.base.method import Calibration
from rlvr_bench.methods.base.plain import in_training_mode

ROWS = 4096
"""Tokens that are widened to float64 at a time."""


def null_frames(model: PreTrainedModel, paths: Sequence[str], prompts: Calibration, rank: int) -> dict[str, Tensor]:
    """Return path -> N (rank, in; float64), the eigenvectors of X'X with the smallest eigenvalues as rows.

    X (tokens, in) are the inputs of the linear module at the path when `model` reads `prompts`. All prompts go in one
    batch, so that only one X'X exists at a time.
    """
    token_ids, real = padded(prompts, model.device)
    frames: dict[str, Tensor] = {}
    seen: list[tuple[Tensor, Tensor]] = []  # q, k and v, or gate and up, read the same tensor

    def read(path: str, inputs: Tensor) -> None:
        if not seen or seen[0][0] is not inputs:
            seen[:] = [(inputs, _smallest(inputs[real], rank))]
        frames[path] = seen[0][1]

    with watched(model, paths, read) as body:
        body(input_ids=token_ids, attention_mask=real.long(), use_cache=False)
    return frames


@contextmanager
def watched(model: PreTrainedModel, paths: Sequence[str], read: Callable[[str, Tensor], None]) -> Iterator[nn.Module]:
    """Give what to call so that `read` gets path and input (prompts, length, in) of every linear module at `paths`.

    It is `model` without its head, whose logits over whole prompts are large, unless a path lies in the head; in eval
    mode and without gradients inside the context.
    """
    inner: nn.Module = model.base_model
    body = inner if all(path.startswith(f"{model.base_model_prefix}.") for path in paths) else model
    hooks = [
        model.get_submodule(path).register_forward_pre_hook(lambda _, inputs, path=path: read(path, inputs[0]))
        for path in paths
    ]
    try:
        with in_training_mode(model, False), torch.no_grad():
            yield body
    finally:
        for hook in hooks:
            hook.remove()


def padded(prompts: Calibration, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return token ids (prompts, longest), zeros on the right, and where they are real."""
    longest = max(len(prompt) for prompt in prompts)
    rows = [[*prompt, *([0] * (longest - len(prompt)))] for prompt in prompts]
    lengths = torch.tensor([len(prompt) for prompt in prompts], device=device)
    return torch.tensor(rows, device=device), torch.arange(longest, device=device) < lengths[:, None]


def _smallest(inputs: Tensor, rank: int) -> Tensor:
    gram = sum((rows.double().T @ rows.double() for rows in inputs.split(ROWS)), torch.zeros((), dtype=torch.float64))
    vectors: Tensor = torch.linalg.eigh(gram).eigenvectors
    return vectors[:, :rank].T
