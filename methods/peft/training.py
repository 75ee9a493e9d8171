"""What three LoRA variants do differently while they train, and the proof afterwards that they did.

lora-plus   B learns at a multiple of A's rate
lora-fa     A stays as drawn, and B's gradient is projected so that B A moves as the full matrix would
adalora     ranks are pruned to a budget between steps, and the factors are kept near orthonormal
"""

from collections.abc import Iterator
from typing import Any

import torch
from peft import PeftModel
from peft.tuners.adalora.layer import AdaLoraLayer
from peft.tuners.lora.layer import LoraLayer
from torch import Tensor, nn

from rlvr_bench.methods.base.handle import Handle
from rlvr_bench.methods.base.method import Method
from rlvr_bench.methods.base.plain import PlainView
from rlvr_bench.methods.errors import MethodError
from rlvr_bench.methods.peft.handle import PeftHandle

FEWEST_STEPS = 3
"""Steps that AdaLoRA needs: one before anything is known of importance, one that prunes, one with the final ranks."""


class LoraPlusHandle(PeftHandle):
    """LoRA+: B's learning rate is `ratio` times A's, the one that is given."""

    def rate_factor(self, name: str) -> float:
        return _keys(self.method).ratio if ".lora_B." in name else 1.0


class LoraFaHandle(PeftHandle):
    """LoRA-FA: A is frozen, and B moves along (rank / alpha)^2 g (A A')^-1, g its gradient.

    With it the scaled product B A follows the full matrix's gradient, projected on the rows of A, as closely as B can.
    PEFT's own optimizer for this holds the frozen tensors too and rounds the projection to bfloat16; here it is AdamW
    over B alone, in float32.
    """

    projected_steps: int = 0

    def __init__(self, model: PeftModel, view: PlainView, method: Method, seed: int, before: dict[str, str]) -> None:
        super().__init__(model, view, method, seed, before)
        for name, parameter in self.trainable():
            if ".lora_A." in name:
                parameter.requires_grad_(False)

    def create_optimizer(
        self, learning_rate: float, weight_decay: float, betas: tuple[float, float]
    ) -> torch.optim.Optimizer:
        """Return AdamW that sees projected gradients."""
        projections = dict(self._projections())

        def project(*_: Any) -> None:
            for up, projection in projections.items():
                if up.grad is not None:
                    up.grad = up.grad @ projection
            self.projected_steps += 1

        optimizer = super().create_optimizer(learning_rate, weight_decay, betas)
        optimizer.register_step_pre_hook(project)
        return optimizer

    def _projections(self) -> Iterator[tuple[nn.Parameter, Tensor]]:
        """Yield (B, (A A')^-1 / scale^2), the matrix (rank, rank), of every layer."""
        for layer in self.live.modules():
            if isinstance(layer, LoraLayer):
                down = layer.lora_A["default"].weight.detach().double()
                inverse = torch.linalg.pinv(down @ down.T, hermitian=True) / layer.scaling["default"] ** 2
                yield layer.lora_B["default"].weight, inverse.float()


class AdaLoraHandle(PeftHandle):
    """AdaLoRA: P diag(E) Q beside every matrix, the least important entries of E zeroed until the budget is met."""

    model: PeftModel
    last_step: int | None = None
    scheduled: bool = False

    def before_training(self, steps: int) -> None:
        """Spread the schedule over `steps`; raises `MethodError` when they are too few to prune anything."""
        if steps < FEWEST_STEPS:
            raise MethodError(f"adalora prunes ranks over at least {FEWEST_STEPS} steps, got {steps}; train for longer")
        keys, config = _keys(self.method), self.config
        config.total_step = steps
        config.tfinal = min(max(1, round(keys.final * steps)), steps - 2)
        config.tinit = min(round(keys.warm_up * steps), steps - config.tfinal - 1)
        config.deltaT = keys.interval
        self.scheduled = True

    def after_step(self, step: int) -> None:
        """Update importances from this step's gradients and zero what exceeds the budget."""
        if not self.scheduled:
            raise MethodError("adalora has no schedule; call before_training(steps) before the first step")
        super().after_step(step)
        self.last_step = step

    def create_optimizer(
        self, learning_rate: float, weight_decay: float, betas: tuple[float, float]
    ) -> torch.optim.Optimizer:
        """Return AdamW that sees the regulariser's gradient too.

        PEFT adds the regulariser to the loss that a model computes from labels; reinforcement learning gives none.
        """
        optimizer = super().create_optimizer(learning_rate, weight_decay, betas)
        optimizer.register_step_pre_hook(lambda *_: self.add_orthogonality_gradients())
        return optimizer

    def add_orthogonality_gradients(self) -> None:
        """Add the gradient of weight * mean(||P'P - I|| + ||Q Q' - I||), the mean over all factors as in PEFT.

        A step whose gradient is zero everywhere stays one that changes nothing.
        """
        if not any(p.grad is not None and p.grad.any() for _, p in self.trainable()):
            return
        factors = [
            factor
            for layer in self.adapted()
            for factor in ((layer.lora_A["default"], False), (layer.lora_B["default"], True))
        ]
        weight = _keys(self.method).orthogonality / len(factors)
        for parameter, upright in factors:
            rows = parameter.detach().T if upright else parameter.detach()
            excess = rows @ rows.T - torch.eye(len(rows), dtype=rows.dtype, device=rows.device)
            slope = 2 * weight * (excess @ rows) / excess.norm().clamp_min(torch.finfo(rows.dtype).tiny)
            pull = slope.T if upright else slope
            parameter.grad = pull.clone() if parameter.grad is None else parameter.grad + pull

    def adapted(self) -> list[AdaLoraLayer]:
        """Return the adapted layers."""
        return [module for module in self.live.modules() if isinstance(module, AdaLoraLayer)]

    def ranks(self) -> list[int]:
        """Return how many entries of E are not zero, layer by layer."""
        return [int(layer.lora_E["default"].count_nonzero()) for layer in self.adapted()]


def rate_problems(method: Method, handle: Handle, optimizer: torch.optim.Optimizer | None) -> list[str]:
    """Return what shows that B did not learn at its multiple of A's rate."""
    if optimizer is None:
        return []
    names = {id(parameter): name for name, parameter in handle.trainable()}
    rates: dict[bool, set[float]] = {True: set(), False: set()}
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            rates[".lora_B." in names.get(id(parameter), "")].add(group.get("initial_lr", group["lr"]))
    ratio = _keys(method).ratio
    if {rate * ratio for rate in rates[False]} == rates[True]:
        return []
    return [f"B learned at {sorted(rates[True])} and A at {sorted(rates[False])}, but ratio = {ratio} was asked for"]


def projection_problems(method: Method, handle: Handle, optimizer: torch.optim.Optimizer | None) -> list[str]:
    """Return what shows that the gradients of B were not projected."""
    if optimizer is None or (isinstance(handle, LoraFaHandle) and handle.projected_steps):
        return []
    return ["the gradients of B were never projected; train with the optimizer of create_optimizer"]


def rank_problems(method: Method, handle: Handle, optimizer: torch.optim.Optimizer | None) -> list[str]:
    """Return what shows that ranks were not pruned to the budget."""
    if optimizer is None:
        return []
    if not isinstance(handle, AdaLoraHandle) or handle.last_step is None:
        return ["ranks were never reallocated; call after_step after every optimizer step"]
    ranks, config = sum(handle.ranks()), handle.config
    budget = config.target_r * len(handle.ranks())
    if handle.last_step >= config.total_step - config.tfinal and ranks > budget:
        return [f"{ranks} ranks were kept, the budget is {budget}"]
    return []


def _keys(method: Method) -> Any:
    """Return `method` as what has the keys of its row of the table."""
    return method
