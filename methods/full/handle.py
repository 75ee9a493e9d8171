"""Attaching full fine-tuning: what is trained, and by which optimizer."""

import torch
from transformers import PreTrainedModel

from rlvr_bench.methods.base.handle import DenseHandle
from rlvr_bench.methods.base.layers import chosen_layers
from rlvr_bench.methods.base.plain import PlainView
from rlvr_bench.methods.base.targets import decoder_layers, linear_targets
from rlvr_bench.methods.full.full import Full


def attach_full(method: Full, model: PreTrainedModel, seed: int) -> DenseHandle:
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


class SgdHandle(DenseHandle):
    """A handle whose optimizer is SGD without momentum, which keeps no state."""

    def create_optimizer(
        self, learning_rate: float, weight_decay: float, betas: tuple[float, float]
    ) -> torch.optim.Optimizer:
        """Return SGD; `betas` are AdamW's. Without momentum its weight decay is AdamW's decoupled one."""
        return torch.optim.SGD(self.parameter_groups(learning_rate, weight_decay), lr=learning_rate, momentum=0.0)
