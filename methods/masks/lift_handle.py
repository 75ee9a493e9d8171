"""Masked layers whose mask moves, and the account of what moved that makes its frozen part checkable.

Which entries are frozen changes during a run, so three things are kept of every masked matrix: the entries that have
ever been trained, the value that each had when it entered, and a digest of everything outside the mask since the last
choice. With the first two the part that was never trained can be compared with the base at the end, entries that
entered later up to their entry; the third shows a change of any entry while it was outside.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from transformers import PreTrainedModel

from rlvr_bench.methods.base.digest import tensor_digest
from rlvr_bench.methods.base.handle import Handle
from rlvr_bench.methods.base.method import Calibration
from rlvr_bench.methods.base.observation import BaseObservation
from rlvr_bench.methods.base.plain import PlainView
from rlvr_bench.methods.errors import MethodError
from rlvr_bench.methods.masks.checks import mask_problems
from rlvr_bench.methods.masks.handle import MaskHandle, put_masks, targeted_weights
from rlvr_bench.methods.masks.lift import Lift
from rlvr_bench.methods.masks.linear import MaskedLinear
from rlvr_bench.methods.masks.selection import select_entries


def attach_lift(method: Lift, model: PreTrainedModel, seed: int, _: Calibration | None = None) -> "LiftHandle":
    """Replace every targeted linear module of `model` by a `MaskedLinear` with a principal mask."""
    weights = targeted_weights(method, model)
    view = PlainView(model)
    put_masks(model, {path: select_entries(method.selection, weight, path, seed) for path, weight in weights.items()})
    return LiftHandle(model, view, method, seed)


class Account(NamedTuple):
    """Of one masked matrix: what was ever trained (flat entries), its values at entry, and the digest of the rest."""

    trained: Tensor
    at_entry: Tensor
    outside: str


class LiftHandle(MaskHandle):
    """A handle that moves its masks after every `refresh` steps. `refreshed` counts how often it has."""

    method: Lift

    def __init__(self, model: PreTrainedModel, view: PlainView, method: Lift, seed: int) -> None:
        super().__init__(model, view, method, seed)
        self.refreshed = 0
        self.disturbed: set[str] = set()
        self._optimizer: torch.optim.Optimizer | None = None
        self._accounts = {path: _opened(layer) for path, layer in self.masked_layers()}

    def create_optimizer(
        self, learning_rate: float, weight_decay: float, betas: tuple[float, float]
    ) -> torch.optim.Optimizer:
        self._optimizer = super().create_optimizer(learning_rate, weight_decay, betas)
        return self._optimizer

    def after_step(self, step: int) -> None:
        """Choose the masks anew where it is time; raises `MethodError` when another optimizer than its own trains."""
        if (step + 1) % self.method.refresh:
            return
        if self._optimizer is None:
            raise MethodError("lift moves the optimizer's state with its mask; train with what create_optimizer gives")
        for path, layer in self.masked_layers():
            self._refresh(path, layer, self._optimizer)
        self.refreshed += 1

    def _refresh(self, path: str, layer: MaskedLinear, optimizer: torch.optim.Optimizer) -> None:
        # A last look at the old mask: once it has moved, nothing tells any more what was outside.
        self.check_outside(path, layer)
        entries = select_entries(self.method.selection, layer.weight, path, self.seed).to(layer.weight.device)

        # Entries that enter for the first time leave the untrained part; their value now is what the base had there.
        account = self._accounts[path]
        entered = entries[~torch.isin(entries, account.trained)]
        at_entry = layer.weight.detach().view(-1)[entered]

        # Adam's moments lie by position in the mask, so they move with the entries that stay; newcomers begin at 0.
        before, after = layer.move_mask(entries)
        for moment in optimizer.state[layer.values].values():
            if torch.is_tensor(moment) and moment.shape == layer.values.shape:
                moments_of_stayed = moment[before]
                moment.zero_()[after] = moments_of_stayed

        self._accounts[path] = Account(
            torch.cat([account.trained, entered]),
            torch.cat([account.at_entry, at_entry]),
            tensor_digest(layer.outside()),
        )

    def check_outside(self, path: str, layer: MaskedLinear) -> None:
        """Note `path` among the `disturbed` when an entry outside its mask has moved since the mask was chosen."""
        layer.write_values()
        if tensor_digest(layer.outside()) != self._accounts[path].outside:
            self.disturbed.add(path)

    def frozen_part(self, path: str, layer: MaskedLinear) -> Tensor:
        """Return the weight with 0 at the entries of the first mask, and later ones as they were when they entered."""
        frozen = layer.weight.detach().clone()
        account = self._accounts[path]
        frozen.view(-1)[account.trained] = account.at_entry
        return frozen

    def frozen_additions(self) -> Iterator[tuple[str, Tensor]]:
        """Yield nothing: the indices of a mask are not fixed here."""
        return iter(())

    def stored_tensors(self) -> dict[str, Tensor]:
        """The masks, their values, and every masked weight, in which the entries that left hold what they learned."""
        return super().stored_tensors() | {f"{path}.weight": layer.weight for path, layer in self.masked_layers()}

    def misfits(self, stored: dict[str, Tensor], own: dict[str, Tensor]) -> list[str]:
        return [name for name in super().misfits(stored, own) if not name.endswith(".index")]

    def load(self, folder: Path) -> None:
        super().load(folder)
        self._accounts = {path: _opened(layer) for path, layer in self.masked_layers()}


def _opened(layer: MaskedLinear) -> Account:
    trained = layer.index.long()
    return Account(trained, layer.weight.new_zeros(len(trained)), tensor_digest(layer.outside()))


def selection_problems(method: Lift, handle: Handle, base: BaseObservation) -> list[str]:
    """Return what shows that the first masks are not the principal ones."""
    return mask_problems(method.selection, handle, base)


def lift_problems(method: Lift, handle: Handle, optimizer: torch.optim.Optimizer | None) -> list[str]:
    """Return what shows that the masks were not refreshed in time, or that an entry moved while it was outside."""
    if not isinstance(handle, LiftHandle):
        return ["no mask that could be refreshed is on the model"]
    problems = []
    for path, layer in handle.masked_layers():
        handle.check_outside(path, layer)
    if handle.disturbed:
        problems.append(f"entries outside the mask of {min(handle.disturbed)} moved while they were frozen")
    steps = _steps(optimizer, handle) if optimizer is not None else None
    if steps is not None and handle.refreshed != steps // method.refresh:
        wanted = steps // method.refresh
        problems.append(f"the mask was refreshed {handle.refreshed} times in {steps} steps, {wanted} were asked for")
    return problems


def _steps(optimizer: torch.optim.Optimizer, handle: LiftHandle) -> int:
    """Return how many steps `optimizer` has taken, which it counts by itself."""
    _, layer = handle.masked_layers()[0]
    return int(optimizer.state.get(layer.values, {}).get("step", 0))
