"""One forward pass on the fixed batch, watched: the logits, and what every module of the model handed on."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from rlvr_bench.methods.base.handle import Handle
from rlvr_bench.methods.base.plain import in_training_mode
from rlvr_bench.methods.conformance.case import batch


class Pass(NamedTuple):
    """A forward pass on the batch: logits (batch, length, vocabulary; float32), and what every module handed on.

    `outputs` is in the order in which the modules ended: parts before what they are part of.
    """

    logits: Tensor
    outputs: Mapping[str, Tensor]


def passed(model: nn.Module, tree: nn.Module | None = None, training: bool = False) -> Pass:
    """Run `model` on the batch and watch the modules of `tree` (else of the model), in eval or in training mode."""
    outputs: dict[str, Tensor] = {}

    def watch(path: str) -> Callable[[nn.Module, Any, Any], None]:
        def keep(_: nn.Module, __: Any, output: Any) -> None:
            first = output[0] if isinstance(output, tuple) and output else output
            if torch.is_tensor(first):
                outputs[path] = first.detach().float()

        return keep

    hooks = [module.register_forward_hook(watch(path)) for path, module in (tree or model).named_modules() if path]
    try:
        with in_training_mode(model, training), torch.no_grad():
            logits = model(input_ids=batch()).logits[:, -batch().shape[1] :].float()
    finally:
        for hook in hooks:
            hook.remove()
    return Pass(logits, outputs)


def passed_by(handle: Handle, training: bool = False) -> Pass:
    """Run the model of `handle` and watch its modules under the paths that they have in the base."""
    return passed(handle.model, handle.live, training)
