"""Attaching methods that move the base's own tensors: which of them are trained, and by which optimizer."""

import torch
from transformers import PreTrainedModel

from rlvr_bench.methods.base.handle import DenseHandle, Handle
from rlvr_bench.methods.base.layers import chosen_layers
from rlvr_bench.methods.base.method import Calibration
from rlvr_bench.methods.base.plain import PlainView
from rlvr_bench.methods.base.targets import decoder_layers, linear_targets
from rlvr_bench.methods.full.bitfit import Bitfit
from rlvr_bench.methods.full.full import Full


def attach_full(method: Full, model: PreTrainedModel, seed: int, _: Calibration | None = None) -> DenseHandle:
    """Make the parameters that `method` names trainable and freeze the rest.

    All of the model is widened to float32, the master weights' type: linear layers refuse mixed dtypes.
    """
    trained = set(model.parameters())
    if method.train == "linear":
        trained = {model.get_submodule(path).get_parameter("weight") for path in linear_targets(model, method.targets)}
    if method.layers is not None:
        layers = list(decoder_layers(model).values())
        trained &= {p for number in chosen_layers(method.layers, len(layers)) for p in layers[number].parameters()}
    view = PlainView(model)
    model.float()
    for parameter in model.parameters():
        parameter.requires_grad_(parameter in trained)
    return (SgdHandle if method.optimizer == "SGD" else DenseHandle)(model, view, method, seed)


def attach_biases(method: Bitfit, model: PreTrainedModel, seed: int, _: Calibration | None = None) -> DenseHandle:
    """Make the biases of the targeted modules trainable; raises `MethodError` for a base without any."""
    biases = method.expected_trainable({name: tuple(each.shape) for name, each in model.named_parameters()})
    view = PlainView(model)
    model.float()  # float32 master weights; layers refuse mixed dtypes
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name in biases)
    return DenseHandle(model, view, method, seed)


class SgdHandle(DenseHandle):
    """A handle whose optimizer is SGD without momentum, which keeps no state."""

    def create_optimizer(
        self, learning_rate: float, weight_decay: float, betas: tuple[float, float]
    ) -> torch.optim.Optimizer:
        """Return SGD; `betas` are AdamW's. Without momentum its weight decay is AdamW's decoupled one."""
        return torch.optim.SGD(self.parameter_groups(learning_rate, weight_decay), lr=learning_rate, momentum=0.0)


def momentum_problems(method: Full, handle: Handle, optimizer: torch.optim.Optimizer | None) -> list[str]:
    """Return what shows that the SGD that trained had momentum."""
    momenta = {group.get("momentum", 0) for group in optimizer.param_groups} if optimizer is not None else {0}
    return [] if momenta == {0} else [f"SGD ran with momentum {max(momenta)}, the method is about SGD without"]
