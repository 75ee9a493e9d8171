"""Linear layers that hold a singular value decomposition of their weight, and the handles over them."""

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from rlvr_bench.methods.base.method import Calibration
from rlvr_bench.methods.base.wrapped_linear import WrappedHandle, WrappedLinear, attach_wrapped
from rlvr_bench.methods.spectral.polar import ROUNDED, polar_factor
from rlvr_bench.methods.spectral.spectral import Iso, Svf


class ScaledSpectrum(WrappedLinear):
    """SVF: W0 + left diag(spectrum * (scale - 1)) right', which is left diag(spectrum * scale) right'.

    Written as a change of W0, so that a scale of 1 is the base bit for bit.
    """

    left: Tensor
    spectrum: Tensor
    right: Tensor

    def __init__(self, base_layer: nn.Linear) -> None:
        super().__init__(base_layer)
        for name, tensor in zip(("left", "spectrum", "right"), decomposed(base_layer.weight), strict=True):
            self.register_buffer(name, tensor)
        self.scale = nn.Parameter(torch.ones_like(self.spectrum))

    def weight_and_bias(self) -> tuple[Tensor, Tensor | None]:
        change = (self.left * (self.spectrum * (self.scale - 1))) @ self.right.T
        return self.base_layer.weight + change, self.base_layer.bias


class TurnedFrames(WrappedLinear):
    """ISO: left diag(spectrum) right', of which left (out, k) and right (in, k) are trained."""

    spectrum: Tensor

    def __init__(self, base_layer: nn.Linear) -> None:
        super().__init__(base_layer)
        left, spectrum, right = decomposed(base_layer.weight)
        self.register_buffer("spectrum", spectrum)
        self.left, self.right = nn.Parameter(left), nn.Parameter(right)

    def weight_and_bias(self) -> tuple[Tensor, Tensor | None]:
        return (self.left * self.spectrum) @ self.right.T, self.base_layer.bias


class IsoHandle(WrappedHandle):
    """A handle that keeps frames orthonormal and out of weight decay."""

    def parameter_groups(self, learning_rate: float, weight_decay: float) -> list[dict[str, object]]:
        return super().parameter_groups(learning_rate, 0.0)

    def after_step(self, step: int) -> None:
        with torch.no_grad():
            for _, frame in self.trainable():
                frame.copy_(polar_factor(frame, ROUNDED))  # without a step not a bit moves


def attach_svf(method: Svf, model: PreTrainedModel, seed: int, _: Calibration | None = None) -> WrappedHandle:
    """Replace every targeted linear module of `model` by a `ScaledSpectrum` over it."""
    return attach_wrapped(method, model, seed, ScaledSpectrum, WrappedHandle)


def attach_iso(method: Iso, model: PreTrainedModel, seed: int, _: Calibration | None = None) -> IsoHandle:
    """Replace every targeted linear module of `model` by a `TurnedFrames` over it."""
    return attach_wrapped(method, model, seed, TurnedFrames, IsoHandle)


def decomposed(weight: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return U (out, k), s (k,) and V (in, k) of `weight` (out, in), k = min(out, in), in float32 from float64."""
    left, spectrum, right = torch.linalg.svd(weight.detach().double(), full_matrices=False)
    return left.float().contiguous(), spectrum.float(), right.T.float().contiguous()
