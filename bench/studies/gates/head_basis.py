"""Changes of a model's geometry that leave its function the same ("The Path Not Taken", arXiv 2511.08567, 4.3, app. D).

Values and the output projection share the space of each head: a rotation of that space goes into one and its inverse
into the other. Key-value heads may change places together with their query heads. If training then moves the same
weights as before, it is not this geometry that decides where updates go.

A changed basis makes coordinate-wise masks look random by itself. So updates of a changed model are compared after
`restore`, which takes them back to the base's own coordinates.
"""

import copy
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from rlvr_bench.measure.intervention import Intervention
from rlvr_bench.measure.pair import Pair
from rlvr_bench.models.errors import ModelError
from rlvr_bench.studies.gates.interventions import PermuteHeads, RotateHeads

HeadsT = TypeVar("HeadsT", RotateHeads, PermuteHeads)
Role = Literal["q", "k", "v", "o"]
ROLES: tuple[Role, ...] = ("q", "k", "v", "o")
_KNOWN = {f"{role}_proj.{part}" for role in ROLES for part in ("weight", "bias")} | {"q_norm.weight", "k_norm.weight"}


@dataclass(frozen=True, slots=True)
class HeadBasis:
    """A new basis for the attention heads of one layer.

    `order[i]` is the key-value head that comes to place i; `rotation` (head size, head size), float64 orthogonal, turns
    the value space of every head; the identity of either leaves it alone. `groups` query heads belong to each key-value
    head.
    """

    layer: int
    order: tuple[int, ...]
    rotation: Tensor
    groups: int

    def change(self, role: Role, tensor: Tensor) -> Tensor:
        """Return a projection's weight (or bias of q, k, v) in the new basis, in its own dtype.

        Linear in `tensor`, so it holds for updates as well.
        """
        return self._moved(role, tensor, self.rotation, self.order)

    def restore(self, role: Role, tensor: Tensor) -> Tensor:
        """Return what `change` made, or an update of it, in the basis of the base."""
        back = torch.argsort(torch.tensor(self.order)).tolist()
        return self._moved(role, tensor, self.rotation.T, back)

    def _moved(self, role: Role, tensor: Tensor, rotation: Tensor, order: Sequence[int]) -> Tensor:
        exact = tensor.double()
        if role == "o":
            heads = exact.unflatten(1, (len(order), self.groups, len(rotation)))[:, list(order)]
            moved: Tensor = (heads @ rotation).flatten(1)
            return moved.to(tensor.dtype)
        size = self.groups if role == "q" else 1
        heads = exact.unflatten(0, (len(order), size, len(rotation)))[list(order)]
        if role == "v":
            heads = torch.tensordot(heads, rotation, dims=([2], [0])).movedim(-1, 2)
        moved = heads.flatten(0, 2)
        return moved.to(tensor.dtype)


class _NewBasis(Intervention[HeadsT]):
    """A new basis in each of the layers that the settings name."""

    new_coordinates = True

    def bases(self, model: PreTrainedModel) -> list[HeadBasis]:
        """Return the new bases, one a layer.

        Raises:
            ModelError: the model has no such layer, or its heads cannot be changed so.
        """
        return [self._draw(model, layer, self.settings.seed + layer) for layer in self.settings.layers]

    def change_base(self, model: PreTrainedModel) -> PreTrainedModel:
        """See `Intervention`."""
        self._bases = self.bases(model)
        return intervene(model, self._bases)

    def restore(self, pair: Pair) -> Pair:
        """See `Intervention`."""
        return restored_pair(pair, self._bases)

    @abstractmethod
    def _draw(self, model: PreTrainedModel, layer: int, seed: int) -> HeadBasis: ...


class RotatedHeads(_NewBasis[RotateHeads]):
    """See `rotation`."""

    def _draw(self, model: PreTrainedModel, layer: int, seed: int) -> HeadBasis:
        return rotation(model, layer, seed)


class PermutedHeads(_NewBasis[PermuteHeads]):
    """See `head_permutation`."""

    def _draw(self, model: PreTrainedModel, layer: int, seed: int) -> HeadBasis:
        return head_permutation(model, layer, seed)


def rotation(model: PreTrainedModel, layer: int, seed: int) -> HeadBasis:
    """Return a Haar-random rotation of the value space of a layer's heads, the same for all heads of the layer."""
    heads, groups, head_size = _heads(model, layer)
    noise = torch.randn(head_size, head_size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    orthogonal, triangular = torch.linalg.qr(noise)
    # Without the signs of R the QR algorithm's convention would bias Q (Mezzadri 2007, arXiv math-ph/0609050).
    return HeadBasis(layer, tuple(range(heads)), orthogonal * triangular.diagonal().sign(), groups)


def head_permutation(model: PreTrainedModel, layer: int, seed: int) -> HeadBasis:
    """Return a random order of a layer's key-value heads, with their query heads, that leaves none of them in place.

    Raises:
        ModelError: the layer has a single key-value head.
    """
    heads, groups, head_size = _heads(model, layer)
    if heads < 2:
        raise ModelError(f"layer {layer} has a single key-value head, which cannot change places; rotate it instead")
    generator = torch.Generator().manual_seed(seed)
    order = torch.arange(heads)
    while bool((order == torch.arange(heads)).any()):
        order = torch.randperm(heads, generator=generator)
    return HeadBasis(layer, tuple(order.tolist()), torch.eye(head_size, dtype=torch.float64), groups)


def intervene(model: PreTrainedModel, bases: Sequence[HeadBasis]) -> PreTrainedModel:
    """Return a copy of `model` with the new bases made in turn; it computes the same function."""
    changed = copy.deepcopy(model)
    with torch.no_grad():
        for basis in bases:
            attention = _attention(changed, basis.layer)
            for role in ROLES:
                projection = attention.get_submodule(f"{role}_proj")
                for name, parameter in projection.named_parameters():
                    if (role, name) != ("o", "bias"):  # lies behind the heads
                        parameter.copy_(basis.change(role, parameter))
    return changed


def restored(name: str, update: Tensor, bases: Sequence[HeadBasis]) -> Tensor:
    """Return an update of the changed model's parameter `name` in the base's coordinates."""
    for basis in reversed(bases):
        role = role_of(name, basis.layer)
        if role is not None:
            update = basis.restore(role, update)
    return update


def restored_pair(pair: Pair, bases: Sequence[HeadBasis]) -> Pair:
    """Return a weight before and after training in the base's coordinates, in float64 where it was changed."""
    name, before, after = pair
    if not any(role_of(name, basis.layer) for basis in bases):
        return pair
    start = restored(name, before.detach().cpu().double(), bases)
    update = restored(name, after.detach().cpu().double() - before.detach().cpu().double(), bases)
    return name, start, start + update


def role_of(name: str, layer: int) -> Role | None:
    """Return which projection of `layer` a parameter belongs to, None if an intervention there leaves it alone."""
    for role in ROLES:
        for part in ("weight", "bias"):
            if name.endswith(f"layers.{layer}.self_attn.{role}_proj.{part}") and (role, part) != ("o", "bias"):
                return role
    return None


def _heads(model: PreTrainedModel, layer: int) -> tuple[int, int, int]:
    """Return key-value heads, query heads for each, and the size of a head."""
    attention = _attention(model, layer)
    heads = int(model.config.num_key_value_heads)
    head_size = attention.get_parameter("v_proj.weight").shape[0] // heads
    return heads, attention.get_parameter("q_proj.weight").shape[0] // (heads * head_size), head_size


def _attention(model: PreTrainedModel, layer: int) -> nn.Module:
    """Return a layer's attention. Raises ModelError unless a new basis of its heads is known to change nothing."""
    path = f"model.layers.{layer}.self_attn"
    try:
        attention: nn.Module = model.get_submodule(path)
    except AttributeError as missing:
        raise ModelError(
            f"{type(model).__name__} has no {path}; give a layer of a Llama- or Qwen-like model"
        ) from missing
    shared = {name for name, tensor in attention.named_parameters() if "norm" in name and tensor.ndim == 1}
    sizes = {tensor.numel() for name, tensor in attention.named_parameters() if name in shared}
    unknown = sorted({name for name, _ in attention.named_parameters()} - _KNOWN)
    head_size = attention.get_parameter("v_proj.weight").shape[0] // int(model.config.num_key_value_heads)
    if unknown or sizes - {head_size}:
        raise ModelError(
            f"{path} of {type(model).__name__} has parameters that belong to single heads"
            f" ({', '.join(unknown or sorted(shared))}); no rotation of its heads is known to leave the model as it is"
        )
    return attention
