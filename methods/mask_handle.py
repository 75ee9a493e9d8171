"""Attaching a mask, the handle over masked layers, and the check that a mask is the one that was asked for."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from methods.handle import DenseHandle, Handle
from methods.mask import Mask
from methods.masked_linear import MaskedLinear
from methods.plain import PlainView
from methods.selection import random_entries, select_entries
from methods.targets import linear_targets


def attach_mask(method: Mask, model: PreTrainedModel, seed: int) -> "MaskHandle":
    """Replace every targeted linear module of `model` by a `MaskedLinear` over the same tensors."""
    view = PlainView(model)
    paths = linear_targets(model, method.targets)
    model.requires_grad_(False)
    for path in paths:
        linear = model.get_submodule(path)
        assert isinstance(linear, nn.Linear)
        parent, _, leaf = path.rpartition(".")
        masked = MaskedLinear(linear, select_entries(method, linear.weight, path, seed))
        setattr(model.get_submodule(parent), leaf, masked.train(linear.training))
    return MaskHandle(model, view, method, seed)


class MaskHandle(DenseHandle):
    """A handle over a model with masked layers. `trainable_parameters` counts the masked entries."""

    def masked_layers(self) -> list[tuple[str, MaskedLinear]]:
        """Path and module of every masked layer."""
        return [(path, module) for path, module in self.model.named_modules() if isinstance(module, MaskedLinear)]

    def _write_values(self) -> None:
        for _, layer in self.masked_layers():
            layer.write_values()

    def effective_weights(self) -> Iterator[tuple[str, Tensor]]:
        self._write_values()
        return super().effective_weights()

    def rollout_weights(self) -> AbstractContextManager[PreTrainedModel]:
        self._write_values()
        return super().rollout_weights()

    def frozen_tensors(self) -> Iterator[tuple[str, Tensor]]:
        """Yield the base weights; of a masked matrix the part outside the mask, under a name of its own."""
        masked = {f"{path}.weight": layer for path, layer in self.masked_layers()}
        for name, tensor in super().frozen_tensors():
            if name in masked:
                yield f"{name} outside the mask", masked[name].frozen_part()
            else:
                yield name, tensor

    def stored_tensors(self) -> dict[str, Tensor]:
        return dict(self.trainable()) | {f"{path}.index": layer.index for path, layer in self.masked_layers()}

    def misfits(self, stored: dict[str, Tensor], own: dict[str, Tensor]) -> list[str]:
        indices = [f"{path}.index" for path, _ in self.masked_layers()]
        other = [name for name in indices if name in stored and not torch.equal(stored[name], own[name].cpu())]
        return super().misfits(stored, own) + other

    def load(self, folder: Path) -> None:
        super().load(folder)
        self._write_values()

    def realised(self) -> dict[str, Any]:
        densities = [len(layer.index) / layer.weight.numel() for _, layer in self.masked_layers()]
        entries = sum(layer.weight.numel() for _, layer in self.masked_layers())
        return super().realised() | {
            "masked_layers": len(densities),
            "density": self.trainable_parameters / entries if entries else 0.0,
            "density_min": min(densities, default=0.0),
            "density_max": max(densities, default=0.0),
        }


def mask_problems(method: Mask, handle: Handle) -> list[str]:
    """Return what shows that the mask of the first target is not the one that `method` asks for.

    Recomputed with numpy's SVD, apart from `selection`; one matrix, since an SVD of all of them would double the cost.
    Up to 1 % of the entries may differ: near ties fall either way in another algorithm.
    """
    layers = [(p, m) for p, m in handle.model.named_modules() if isinstance(m, MaskedLinear)]
    if not layers:
        return ["no masked layer is on the model"]
    path, layer = layers[0]
    got = np.zeros(layer.weight.numel(), dtype=bool)
    got[layer.index.cpu().numpy()] = True
    weight = layer.weight.detach().double().cpu().numpy()
    wanted = _wanted_by_definition(method, weight, path, handle.seed, int(got.sum()))
    differing = int((got & ~wanted).sum())
    if differing > 0.01 * got.sum():
        return [f"{differing} of {int(got.sum())} entries of the mask of {path} are not in the {method.select} set"]
    return []


def _wanted_by_definition(
    method: Mask, weight: np.ndarray[Any, Any], path: str, seed: int, count: int
) -> np.ndarray[Any, Any]:
    total = weight.size
    if method.select == "random":
        wanted = np.zeros(total, dtype=bool)
        wanted[random_entries(total, count, path, seed).numpy()] = True
        return wanted
    u, s, vt = np.linalg.svd(weight, full_matrices=False)
    rank = method.rank_for(weight.shape)
    by_principal = np.argsort(np.abs((u[:, :rank] * s[:rank]) @ vt[:rank]).ravel(), kind="stable")
    by_magnitude = np.argsort(np.abs(weight).ravel(), kind="stable")
    wanted = np.zeros(total, dtype=bool)
    if method.select == "principal":
        wanted[by_principal[total - count :]] = True
    elif method.select == "non-principal":
        wanted[by_principal[:count]] = True
    elif method.select == "low-magnitude":
        wanted[by_magnitude[:count]] = True
    else:
        wanted[_union(by_magnitude, by_principal, method, count)] = True
    return wanted


def _union(
    low: np.ndarray[Any, Any], principal: np.ndarray[Any, Any], method: Mask, count: int
) -> np.ndarray[Any, Any]:
    total = len(low)
    if method.low_share is not None and method.principal_share is not None:
        sizes = round(method.low_share * total), total - round(method.principal_share * total)
        return np.union1d(low[: sizes[0]], principal[: sizes[1]])
    smaller, larger = 0, count
    while smaller < larger:  # the smallest common size whose union reaches the count
        middle = (smaller + larger) // 2
        reached = len(np.union1d(low[:middle], principal[:middle])) >= count
        smaller, larger = (smaller, middle) if reached else (middle + 1, larger)
    return np.union1d(low[:smaller], principal[:smaller])
