"""What a trainer holds of an attached method: the model to optimise and the ways to look at its weights.

The base class does everything that follows from a trained tree and a plain view of it; a subclass says how a wrapped
module becomes plain. Training loops, data and rewards are not its business.
"""

import json
import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import PreTrainedModel

from rlvr_bench.methods.base.method import Method
from rlvr_bench.methods.base.plain import PlainView, in_training_mode
from rlvr_bench.methods.errors import MethodError

NO_WEIGHT_DECAY = re.compile(r"bias|layernorm|rmsnorm|ln_tuning|(?:^|[._])norm(?:$|[._])", re.IGNORECASE)
"""Parameters that weight decay leaves alone: biases and norms, as in transformers' own Trainer."""

TENSORS = "trainable.safetensors"
SETTINGS = "method.json"


class Handle(ABC):
    """An attached method.

    `model` is what the trainer optimises and calls; `total_parameters` counts the base model (tied tensors once),
    `trainable_parameters` what the optimizer sees. `changes_base` tells that initialisation moved base weights, so a KL
    term needs an explicit frozen reference. `mergeable` false means that rollouts run on the unmerged `model`.
    """

    changes_base: bool = False
    mergeable: bool = True

    def __init__(self, model: nn.Module, view: PlainView, method: Method, seed: int) -> None:
        if not method.resolved:
            raise MethodError(
                f"params = {method.params!r} of {method.type!r} is not resolved; attach what budget.resolve returns"
            )
        self.model = model
        self.view = view
        self.method = method
        self.seed = seed
        self.total_parameters: int = sum(parameter.numel() for parameter in view.model.parameters())

    @property
    @abstractmethod
    def live(self) -> nn.Module:
        """The trained tree whose module paths are the base's."""

    @abstractmethod
    def unwrapped(self, module: nn.Module) -> nn.Module:
        """Return `module` as it is in the base, without what the method added."""

    @abstractmethod
    def merged(self, module: nn.Module) -> nn.Module:
        """Return `module` as a plain one whose float32 weights do what the trained forward pass does."""

    @abstractmethod
    def realised(self) -> dict[str, Any]:
        """JSON-able facts about what is on the model, read from the model and not from the config."""

    def trainable(self) -> list[tuple[str, nn.Parameter]]:
        """Name and tensor of everything that gradients reach, in model order."""
        return [(name, parameter) for name, parameter in self.model.named_parameters() if parameter.requires_grad]

    @property
    def trainable_parameters(self) -> int:
        """Number of trainable values."""
        return sum(parameter.numel() for _, parameter in self.trainable())

    def parameter_groups(self, learning_rate: float, weight_decay: float) -> list[dict[str, Any]]:
        """Return optimizer groups over the trainable tensors only; norms and biases are not decayed."""
        decayed = [parameter for name, parameter in self.trainable() if not NO_WEIGHT_DECAY.search(name)]
        spared = [parameter for name, parameter in self.trainable() if NO_WEIGHT_DECAY.search(name)]
        groups = [(decayed, weight_decay), (spared, 0.0)]
        return [{"params": p, "lr": learning_rate, "weight_decay": decay} for p, decay in groups if p]

    def create_optimizer(
        self, learning_rate: float, weight_decay: float, betas: tuple[float, float]
    ) -> torch.optim.Optimizer:
        """Return the optimizer of this method over `parameter_groups`: AdamW, unless the method is about another."""
        # Not the fused one, which does not raise the version counter by which masks know that values have moved.
        groups = self.parameter_groups(learning_rate, weight_decay)
        return torch.optim.AdamW(groups, lr=learning_rate, betas=betas, fused=False)

    def before_training(self, steps: int) -> None:
        """Called once before the first of `steps` optimizer steps, for schedules of a method's own; nothing here."""
        return

    def after_step(self, step: int) -> None:
        """Called after optimizer step number `step` (from 0), before gradients are cleared; does nothing here."""
        return

    def frozen_tensors(self) -> Iterator[tuple[str, Tensor]]:
        """Yield (base parameter name, tensor) of all base weights that must not move."""
        for name, parameter in self.view.tensors(self.live, self.unwrapped):
            if not parameter.requires_grad:
                yield name, parameter

    def frozen_additions(self) -> Iterator[tuple[str, Tensor]]:
        """Yield (name, tensor) of what the method added to the base and must not move: projections, indices, scales.

        A method whose training rewrites some of them leaves those out.
        """
        base = {id(parameter) for _, parameter in self.view.tensors(self.live, self.unwrapped)}
        base |= {id(buffer) for buffer in self.view.buffers(self.live, self.unwrapped)}
        for name, tensor in chain(self.model.named_parameters(), self.model.named_buffers()):
            if not tensor.requires_grad and id(tensor) not in base:
                yield name, tensor

    def effective_weights(self) -> Iterator[tuple[str, Tensor]]:
        """Yield (base parameter name, dense float32 tensor) of the weights that the forward pass really uses.

        One module at a time; a yielded tensor may share memory with the model: clone it before the next step.
        """
        for name, tensor in self.view.tensors(self.live, self._merged_exactly if self.mergeable else self.unwrapped):
            yield name, tensor.detach().float()

    def rollout_weights(self) -> AbstractContextManager[PreTrainedModel]:
        """Give a plain transformers model (eval mode) on merged weights; the base is never written to.

        Merged matrices live only inside the context, in the base's dtype. A method that cannot be merged
        (`mergeable` false) gives its own model in eval mode instead.
        """
        return self._merged_model() if self.mergeable else self._unmerged_model()

    @contextmanager
    def _merged_model(self) -> Iterator[PreTrainedModel]:
        self.view.link(self.live, self._merged_in_base_dtype)
        try:
            yield self.view.model
        finally:
            self.view.link(self.live, self.unwrapped)

    @contextmanager
    def _unmerged_model(self) -> Iterator[Any]:
        with in_training_mode(self.model, False):
            yield self.model

    def _merged_exactly(self, module: nn.Module) -> nn.Module:
        """`merged` without gradients and, where the caller runs under autocast, still in float32."""
        device = next(self.view.model.parameters()).device.type
        with torch.no_grad(), torch.autocast(device, enabled=False):
            return self.merged(module)

    def _merged_in_base_dtype(self, module: nn.Module) -> nn.Module:
        plain = self._merged_exactly(module)
        if plain is module:
            return module
        dtypes = {name: parameter.dtype for name, parameter in self.unwrapped(module).named_parameters()}
        for name, parameter in plain.named_parameters():
            parameter.data = parameter.data.to(dtypes.get(name, parameter.dtype))
        return plain

    def stored_tensors(self) -> dict[str, Tensor]:
        """What `export` writes: the trainable tensors; a subclass adds what else `load` needs."""
        return dict(self.trainable())

    def export(self, folder: Path) -> None:
        """Write the trained state to `folder` as safetensors, with the settings and the seed beside it."""
        folder.mkdir(parents=True, exist_ok=True)
        tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in self.stored_tensors().items()}
        save_file(tensors, folder / TENSORS)
        (folder / SETTINGS).write_text(json.dumps(self._identity(), indent=1, sort_keys=True) + "\n", encoding="utf-8")

    def save_adapter(self, folder: Path) -> bool:
        """Write the trained state as an adapter folder of PEFT; False, and nothing is written, where PEFT has none."""
        return False

    def load(self, folder: Path) -> None:
        """Read what `export` wrote into this handle.

        Raises `MethodError` unless the handle was attached with the same settings and seed (indices and frozen
        projections follow from them) and every tensor fits.
        """
        self._check_settings(folder)
        stored, own = _read_tensors(folder / TENSORS), self.stored_tensors()
        odd = self.misfits(stored, own)
        if odd:
            raise MethodError(f"{folder / TENSORS} does not fit at {odd[0]!r}; attach to the base it was exported from")
        with torch.no_grad():
            for name, tensor in stored.items():
                own[name].copy_(tensor)

    def misfits(self, stored: dict[str, Tensor], own: dict[str, Tensor]) -> list[str]:
        """Names of the `stored` tensors that are not for this model, whose `stored_tensors` are `own`."""
        return sorted(stored.keys() ^ own.keys()) + [n for n in own if n in stored and stored[n].shape != own[n].shape]

    def _identity(self) -> dict[str, Any]:
        return {"settings": self.method.model_dump(mode="json"), "seed": self.seed}

    def _check_settings(self, folder: Path) -> None:
        try:
            stored = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError, json.JSONDecodeError) as failure:
            raise MethodError(f"{folder} holds no readable {SETTINGS}; give the folder that export wrote") from failure
        if stored != self._identity():
            raise MethodError(
                f"{folder} was exported as {stored}, this handle is {self._identity()}; attach as it was exported"
            )

    def module_classes(self) -> dict[str, int]:
        """Return class name -> how many modules of it the trained model has."""
        return dict(sorted(Counter(type(module).__name__ for module in self.model.modules()).items()))


def _read_tensors(path: Path) -> dict[str, Tensor]:
    try:
        tensors: dict[str, Tensor] = load_file(path)
    except (FileNotFoundError, SafetensorError) as failure:
        raise MethodError(f"{path} is no whole safetensors file ({failure}); export again") from failure
    return tensors


class DenseHandle(Handle):
    """A handle over a model whose modules were not wrapped: the base's own parameters are trained."""

    @property
    def live(self) -> nn.Module:
        return self.model

    def unwrapped(self, module: nn.Module) -> nn.Module:
        return module

    def merged(self, module: nn.Module) -> nn.Module:
        return module

    def realised(self) -> dict[str, Any]:
        return {"modules": self.module_classes()}
