"""Linear layers with a low-rank update that LoRA's forward pass cannot express.

The update is always scale * left @ right, two thin matrices computed from what is trained. Forward pass and merging
take both from the same place, so a projection that is in one is in the other.
"""

import copy
import math
from abc import abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import PreTrainedModel

from rlvr_bench.methods.base.matrix_ranks import refuse_above_sides, weights_of
from rlvr_bench.methods.base.method import Calibration
from rlvr_bench.methods.base.seeding import forked_random_state
from rlvr_bench.methods.base.singular import components, leading
from rlvr_bench.methods.base.targets import linear_targets
from rlvr_bench.methods.base.wrapped_linear import WrappedHandle, WrappedLinear, attach_wrapped
from rlvr_bench.methods.low_rank.variants import LoraXs, Oplora


class LowRankLinear(WrappedLinear):
    """A frozen linear layer plus scale * left @ right; as in LoRA, the sum is not rounded to the base's dtype."""

    def __init__(self, base_layer: nn.Linear, scale: float) -> None:
        super().__init__(base_layer)
        self.scale = scale

    @abstractmethod
    def factors(self) -> tuple[Tensor, Tensor]:
        """Return left (out, rank) and right (rank, in) of the update, float32."""

    def weight_and_bias(self) -> tuple[Tensor, Tensor | None]:
        left, right = self.factors()
        return self.base_layer.weight.float() + self.scale * (left @ right), self.base_layer.bias

    def forward(self, input: Tensor) -> Tensor:
        with torch.autocast(input.device.type, enabled=False):  # a projection rounded to bfloat16 is none
            left, right = self.factors()
        output: Tensor = self.base_layer(input)
        update = F.linear(F.linear(input.to(right.dtype), right), left)
        return (output + self.scale * update).to(output.dtype)

    def merged(self) -> nn.Linear:
        """Return a plain float32 layer that does the same."""
        plain = copy.deepcopy(self.base_layer).float()
        plain.weight = nn.Parameter(self.weight_and_bias()[0], requires_grad=False)
        return plain


class ProjectedLinear(LowRankLinear):
    """OPLoRA: up @ down, projected off the columns of `left_basis` (out, k) and the rows of `right_basis` (k, in)."""

    left_basis: Tensor
    right_basis: Tensor

    def __init__(self, base_layer: nn.Linear, rank: int, scale: float, protected: int) -> None:
        super().__init__(base_layer, scale)
        weight = base_layer.weight.detach()
        u, _, vt = components(weight.double(), leading(weight, protected))
        self.register_buffer("left_basis", u.float().contiguous())
        self.register_buffer("right_basis", vt.float().contiguous())
        self.down = nn.Parameter(vt.new_empty(rank, vt.shape[1], dtype=torch.float32))
        self.up = nn.Parameter(u.new_zeros(u.shape[0], rank, dtype=torch.float32))
        nn.init.kaiming_uniform_(self.down, a=math.sqrt(5))  # as A of LoRA

    def factors(self) -> tuple[Tensor, Tensor]:
        left = self.up - self.left_basis @ (self.left_basis.T @ self.up)
        return left, self.down - (self.down @ self.right_basis.T) @ self.right_basis


class CoreLinear(LowRankLinear):
    """LoRA-XS: left @ core @ right, of which only `core` (rank, rank) is trained; left = U_r S_r, right = V_r'."""

    left: Tensor
    right: Tensor

    def __init__(self, base_layer: nn.Linear, rank: int, scale: float) -> None:
        super().__init__(base_layer, scale)
        weight = base_layer.weight.detach()
        u, s, vt = components(weight.double(), leading(weight, rank))
        self.register_buffer("left", (u * s).float().contiguous())
        self.register_buffer("right", vt.float().contiguous())
        self.core = nn.Parameter(self.left.new_zeros(rank, rank))

    def factors(self) -> tuple[Tensor, Tensor]:
        return self.left @ self.core, self.right


def attach_projected(method: Oplora, model: PreTrainedModel, seed: int, _: Calibration | None = None) -> WrappedHandle:
    """Replace every targeted linear module of `model` by a `ProjectedLinear` over it."""
    rank, protected = method.rank, method.protected_count
    refuse_above_sides(weights_of(model, linear_targets(model, method.targets)), "rank + protected", rank + protected)

    def wrap(linear: nn.Linear) -> ProjectedLinear:
        return ProjectedLinear(linear, rank, method.alpha / rank, protected)

    with forked_random_state(seed):
        return attach_wrapped(method, model, seed, wrap, WrappedHandle)


def attach_core(method: LoraXs, model: PreTrainedModel, seed: int, _: Calibration | None = None) -> WrappedHandle:
    """Replace every targeted linear module of `model` by a `CoreLinear` over it."""
    refuse_above_sides(weights_of(model, linear_targets(model, method.targets)), "rank", method.rank)
    scale = (method.alpha or method.rank) / method.rank
    return attach_wrapped(method, model, seed, lambda linear: CoreLinear(linear, method.rank, scale), WrappedHandle)
