"""PEFT's LoRA layers with starts of our own, and the handle over them."""

import torch
from peft import PeftModel, get_peft_model
from peft.tuners.lora.layer import LoraLayer
from torch import nn
from transformers import PreTrainedModel

from rlvr_bench.methods.base.calibration import null_frames
from rlvr_bench.methods.base.digest import digests
from rlvr_bench.methods.base.method import Calibration
from rlvr_bench.methods.base.plain import PlainView, as_it_is
from rlvr_bench.methods.base.seeding import forked_random_state
from rlvr_bench.methods.base.targets import linear_targets
from rlvr_bench.methods.errors import MethodError
from rlvr_bench.methods.low_rank.starts import Matrix
from rlvr_bench.methods.low_rank.variants import StartedLora
from rlvr_bench.methods.peft.handle import PeftHandle, adapter_config, refuse_rewritten


def attach_started(
    method: StartedLora, model: PreTrainedModel, seed: int, calibration: Calibration | None
) -> "StartedHandle":
    """Wrap `model` in place with LoRA layers that start as `method` says.

    Raises `MethodError` for a rank above a side of a matrix, and for calibration prompts that are needed and missing.
    """
    paths = linear_targets(model, method.targets)
    shapes = {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}
    config = adapter_config(method, method.config_fields(shapes, seed))
    refuse_rewritten(method, model)

    # What the start looks at is read from the plain model: PEFT's layers would stand in the way of the inputs.
    prompts = calibration if method.needs_calibration else None
    if method.needs_calibration and not prompts:
        raise MethodError(
            f"{method.type!r} starts from what training prompts do in the model; give attach their token ids"
        )
    frames = null_frames(model, paths, prompts, method.rank) if prompts else {}

    # Hashed before PEFT touches the model, so that attestation sees whether the base really moved as the method says.
    view = PlainView(model)
    before = digests(view.tensors(model, as_it_is))

    # PEFT draws a start of its own, under a private random state, which is then overwritten matrix by matrix.
    with forked_random_state(seed):
        wrapped = get_peft_model(model, config, autocast_adapter_dtype=True)
    for path, layer in lora_layers(wrapped.get_base_model()):
        weight = layer.get_base_layer().weight.detach().double()
        _write_start(layer, method, Matrix(weight, path, seed, frames.get(path)))
    return StartedHandle(wrapped, view, method, seed, before, prompts)


def lora_layers(live: nn.Module) -> list[tuple[str, LoraLayer]]:
    """Path and module of every linear LoRA layer of the trained tree `live`."""
    layers = [(path, module) for path, module in live.named_modules() if isinstance(module, LoraLayer)]
    return [(path, layer) for path, layer in layers if "default" in layer.lora_A]


def _write_start(layer: LoraLayer, method: StartedLora, matrix: Matrix) -> None:
    """Put the start into `layer`, and the residual, which makes up for the rounding of A and B, into its base."""
    down, up = layer.lora_A["default"].weight, layer.lora_B["default"].weight
    with torch.no_grad():
        for parameter, value in zip((down, up), method.factors(matrix), strict=True):
            parameter.copy_(value)
        if method.changes_base:
            product = layer.scaling["default"] * (up.double() @ down.double())
            layer.get_base_layer().weight.copy_(matrix.weight - product)
    down.requires_grad_(method.trains_down)


class StartedHandle(PeftHandle):
    """A handle over LoRA layers with a start of our own; `calibration` is what the start was computed on, if any."""

    def __init__(
        self,
        model: PeftModel,
        view: PlainView,
        method: StartedLora,
        seed: int,
        before: dict[str, str],
        calibration: Calibration | None,
    ) -> None:
        super().__init__(model, view, method, seed, before)
        self.calibration = calibration
