"""Checks that a spectral method is what it claims, in numpy's float64, apart from the code that attaches it."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from rlvr_bench.methods.base.handle import Handle
from rlvr_bench.methods.base.observation import BaseObservation
from rlvr_bench.methods.spectral.handle import ScaledSpectrum, TurnedFrames
from rlvr_bench.methods.spectral.spectral import Iso, Svf

Matrix = np.ndarray[Any, Any]

ROUNDING = 1e-5
"""Largest error, relative to the largest number compared, that float32 frames explain."""


def svf_problems(method: Svf, handle: Handle, base: BaseObservation) -> list[str]:
    """Return what shows that the layers are not U diag(s * z) V' with z = 1: at z = 1, and at another z, all moved."""
    layers = [(path, module) for path, module in handle.model.named_modules() if isinstance(module, ScaledSpectrum)]
    problems = [] if layers else ["no layer scales its singular values"]
    for path, layer in layers:
        left, spectrum, right = map(_array, (layer.left, layer.spectrum, layer.right))
        problems += _frame_problems(path, left, right)
        problems += _difference(f"U diag(s) V' of {path}", (left * spectrum) @ right.T, _array(layer.base_layer.weight))
        if not torch.equal(layer.scale, torch.ones_like(layer.scale)):
            problems.append(f"the scale of {path} does not start at 1")
        elsewhere = np.linspace(0.5, 1.5, len(spectrum))
        moved = _weight_at(layer, torch.from_numpy(elsewhere))
        problems += _difference(f"what {path} computes for another z", moved, (left * (spectrum * elsewhere)) @ right.T)
    return problems


def iso_start_problems(method: Iso, handle: Handle, base: BaseObservation) -> list[str]:
    """Return what shows that frames are not orthonormal, or that weights are not W0."""
    return _iso_problems(handle, at_start=True)


def iso_end_problems(method: Iso, handle: Handle, optimizer: torch.optim.Optimizer | None) -> list[str]:
    """Return what shows that frames are not orthonormal, or that weights have another spectrum than W0."""
    return _iso_problems(handle, at_start=False)


def _iso_problems(handle: Handle, at_start: bool) -> list[str]:
    layers = [(path, module) for path, module in handle.model.named_modules() if isinstance(module, TurnedFrames)]
    problems = [] if layers else ["no layer turns its singular frames"]
    for path, layer in layers:
        weight, base = _array(layer.weight_and_bias()[0]), _array(layer.base_layer.weight)
        problems += _frame_problems(path, _array(layer.left), _array(layer.right))
        if at_start:
            problems += _difference(f"U diag(s) V' of {path}", weight, base)
        else:
            spectra = (np.linalg.svd(matrix, compute_uv=False) for matrix in (weight, base))
            problems += _difference(f"the spectrum of {path}", *spectra)
    return problems


def _frame_problems(path: str, left: Matrix, right: Matrix) -> list[str]:
    error = max(np.abs(frame.T @ frame - np.eye(frame.shape[1])).max() for frame in (left, right))
    if error <= ROUNDING:
        return []
    return [f"the singular frames of {path} are not orthonormal, by {error:.3g}"]


def _difference(what: str, got: Matrix, wanted: Matrix) -> list[str]:
    error = np.abs(got - wanted).max()
    if error <= ROUNDING * np.abs(wanted).max():
        return []
    return [f"{what} differs from the base's by {error:.3g}, more than rounding explains"]


def _weight_at(layer: ScaledSpectrum, scale: Tensor) -> Matrix:
    start = layer.scale.detach().clone()
    with torch.no_grad():
        layer.scale.copy_(scale)
        weight = _array(layer.weight_and_bias()[0])
        layer.scale.copy_(start)
    return weight


def _array(tensor: Tensor) -> Matrix:
    array: Matrix = tensor.detach().double().cpu().numpy()
    return array
