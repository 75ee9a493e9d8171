"""Attaching a mask, and the handle over masked layers."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from rlvr_bench.methods.base.handle import DenseHandle
from rlvr_bench.methods.base.method import Calibration, Method
from rlvr_bench.methods.base.plain import PlainView
from rlvr_bench.methods.base.targets import linear_targets
from rlvr_bench.methods.errors import MethodError
from rlvr_bench.methods.masks import fisher
from rlvr_bench.methods.masks.fisher import Completion
from rlvr_bench.methods.masks.linear import MaskedLinear, masked_layers
from rlvr_bench.methods.masks.mask import Mask
from rlvr_bench.methods.masks.selection import select_entries
from rlvr_bench.methods.masks.tuned_weights import TunedWeights


def attach_mask(method: Mask, model: PreTrainedModel, seed: int, calibration: Calibration | None) -> "MaskHandle":
    """Replace every targeted linear module of `model` by a `MaskedLinear` over the same tensors."""
    weights = targeted_weights(method, model)
    view = PlainView(model)
    completions: list[Completion] = []
    evidence: Mapping[str, Tensor] = {}
    if method.select == "fisher":
        if not calibration or not all(calibration):
            raise MethodError("select = 'fisher' continues training prompts; give attach their token ids, none empty")
        completions = fisher.sample(model, calibration, method.fisher_tokens, seed)
        evidence = fisher.diagonal(model, list(weights), completions)
    tuned = TunedWeights(method.tuned) if method.tuned is not None else None
    indices = {}
    for path, weight in weights.items():
        known = tuned.weight(f"{path}.weight", weight) if tuned else evidence.get(path)
        indices[path] = select_entries(method, weight, path, seed, known)
    if not any(len(index) for index in indices.values()):
        raise MethodError(
            f"the run at tuned = {method.tuned!r} changed no entry of targets that bfloat16 shows; give a longer run"
        )
    put_masks(model, indices)
    return MaskHandle(model, view, method, seed, completions)


def targeted_weights(method: Method, model: PreTrainedModel) -> dict[str, Tensor]:
    """Return path -> weight of every targeted linear module of `model`."""
    return {path: model.get_submodule(path).get_parameter("weight") for path in linear_targets(model, method.targets)}


def put_masks(model: PreTrainedModel, indices: Mapping[str, Tensor]) -> None:
    """Freeze `model` and let the flat entries `indices` of the linear modules at their paths be trained."""
    model.requires_grad_(False)
    for path, index in indices.items():
        linear = model.get_submodule(path)
        assert isinstance(linear, nn.Linear)
        model.set_submodule(path, MaskedLinear(linear, index).train(linear.training))


class MaskHandle(DenseHandle):
    """A handle over a model with masked layers. `trainable_parameters` counts the masked entries.

    `completions` are what the Fisher information was measured on, if it was.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        view: PlainView,
        method: Method,
        seed: int,
        completions: Sequence[Completion] = (),
    ) -> None:
        super().__init__(model, view, method, seed)
        self.completions = tuple(completions)

    def masked_layers(self) -> list[tuple[str, MaskedLinear]]:
        """Path and module of every masked layer."""
        return masked_layers(self.model)

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
        masked = {f"{path}.weight": (path, layer) for path, layer in self.masked_layers()}
        for name, tensor in super().frozen_tensors():
            if name in masked:
                yield f"{name} outside the mask", self.frozen_part(*masked[name])
            else:
                yield name, tensor

    def frozen_part(self, path: str, layer: MaskedLinear) -> Tensor:
        """Return what must not move of the masked weight at `path`, the rest as it is at the start or 0."""
        return layer.outside()

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
        sampled = sum(len(done.token_ids) - done.prompt_tokens for done in self.completions)
        return super().realised() | {
            "masked_layers": len(densities),
            "density": self.trainable_parameters / entries if entries else 0.0,
            "density_min": min(densities, default=0.0),
            "density_max": max(densities, default=0.0),
            **({"fisher_prompts": len(self.completions), "fisher_tokens": sampled} if self.completions else {}),
        }
