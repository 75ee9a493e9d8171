"""Whether LoRA adapters start as their named start says, read from the weights and recomputed in float64.

Sums are checked for every matrix; what takes a decomposition for `SVD_SAMPLE` of them, evenly spread. What a start
takes from training prompts is gone when it is attested: there the properties that no other start has are checked.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from peft.tuners.lora.layer import LoraLayer
from torch import Tensor

from rlvr_bench.methods.base.handle import Handle
from rlvr_bench.methods.base.observation import SVD_SAMPLE, BaseObservation
from rlvr_bench.methods.peft.checks import RESIDUAL_TOLERANCE
from rlvr_bench.methods.peft.method import PeftMethod

PART_TOLERANCE = 0.01
"""Largest relative difference between two computations of one singular or triangular part."""

CARRIED = 0.8
"""Smallest share of the top part's norm that a randomised SVD must carry; adapters that start at zero carry none."""

FRAME_TOLERANCE = {torch.float32: 1e-3, torch.bfloat16: 2e-2, torch.float16: 4e-3}
"""Largest entry of a frame's Gram matrix off the identity, where it was rounded to the base's dtype."""


@dataclass(frozen=True)
class Start:
    """One adapted matrix at the start: W0 (out, in), A (rank, in), B (out, rank), float64, and B A's scale."""

    weight: Tensor
    down: Tensor
    up: Tensor
    scale: float
    dtype: torch.dtype

    @property
    def delta(self) -> Tensor:
        """What the adapter adds to the base, (out, in)."""
        return self.scale * (self.up @ self.down)

    @property
    def rank(self) -> int:
        """Rows of A."""
        return self.down.shape[0]


Check = Callable[[Start], str | None]


def start_problems(method: PeftMethod, handle: Handle, base: BaseObservation) -> list[str]:
    """Return where the LoRA layers do not start as the method's named start says, one sentence each; [] without one."""
    start = method.lora_start
    if start not in CHECKS:
        return []
    modules = [(path, module) for path, module in handle.live.named_modules() if isinstance(module, LoraLayer)]
    layers = [(path, layer) for path, layer in modules if "default" in layer.lora_A]
    if not layers:
        return ["no LoRA layer is on the model"]
    problems = []
    for number, (path, layer) in enumerate(layers):
        residual, original = layer.get_base_layer().weight.detach().double(), base.weights.get(f"{path}.weight")
        begun = _start(layer, residual if original is None else original.double(), base.dtype)
        lost = 0.0 if original is None else _ratio(residual + begun.delta - begun.weight, begun.weight)
        if lost > RESIDUAL_TOLERANCE[base.dtype]:
            problems.append(f"{path}: residual plus adapter differs from the base by {lost:.2g} of its norm")
        problem = CHECKS[start](begun) if number % -(-len(layers) // SVD_SAMPLE) == 0 else None
        problems += [f"{path}: {problem}"] if problem else []
    return problems


def _start(layer: LoraLayer, weight: Tensor, dtype: torch.dtype) -> Start:
    down, up = (factors["default"].weight.detach().double() for factors in (layer.lora_A, layer.lora_B))
    return Start(weight, down, up, layer.scaling["default"], dtype)


def _pissa(start: Start) -> str | None:
    part = _top_part(start)
    off = _ratio(start.delta - part, part)
    return None if off <= PART_TOLERANCE else _unlike(start, "singular", off)


def _pissa_niter(start: Start) -> str | None:
    """A randomised SVD mixes in other directions where the spectrum is flat, but carries most of the norm."""
    part = _top_part(start)
    carried = _norm(start.delta) / _norm(part)
    return None if carried >= CARRIED else _unlike(start, "singular", _ratio(start.delta - part, part))


def _top_part(start: Start) -> Tensor:
    u, s, vt = torch.linalg.svd(start.weight, full_matrices=False)
    part: Tensor = (u[:, : start.rank] * s[: start.rank]) @ vt[: start.rank]
    return part


def _olora(start: Start) -> str | None:
    """W0 = Q R, cut at the rank, is W0 projected on the span of its first columns; PEFT leaves B A unscaled."""
    frame = torch.linalg.qr(start.weight[:, : start.rank]).Q
    part = frame @ (frame.T @ start.weight)
    off = _ratio(start.up @ start.down - part, part)
    return None if off <= PART_TOLERANCE else _unlike(start, "triangular", off)


def _unlike(start: Start, kind: str, off: float) -> str:
    return f"the adapter at the start differs from the top-{start.rank} {kind} part by {off:.2g} of its norm"


def _mica(start: Start) -> str | None:
    """B holds the left singular vectors of the smallest values: W0' B has no more norm than those values."""
    values = torch.linalg.svdvals(start.weight)
    smallest, tolerance = _norm(values[-start.rank :]), FRAME_TOLERANCE[start.dtype]
    if start.down.any() or _off_identity(start.up.T) > tolerance:
        return "A is not zero or the columns of B are not orthonormal"
    excess = _norm(start.weight.T @ start.up) - smallest
    return f"B reaches {excess:.2g} beyond the smallest singular values" if excess > tolerance * _norm(values) else None


def _orthogonal(start: Start) -> str | None:
    if not start.down.any() or not start.up.any():
        return "A or B is zero"
    product = _norm(start.up @ start.down) / (_norm(start.up) * _norm(start.down))
    return f"B A is {product:.2g} of |B| |A|, not zero" if product > FRAME_TOLERANCE[start.dtype] else None


def _eva(start: Start) -> str | None:
    off = _off_identity(start.down)
    if start.up.any() or off > FRAME_TOLERANCE[start.dtype]:
        return f"B is not zero, or the rows of A are {off:.2g} off orthonormal"
    return None


def _corda(start: Start) -> str | None:
    return None if _apart(start.up) else "the columns of B are zero or not orthogonal to each other"


def _lora_ga(start: Start) -> str | None:
    off = _off_identity(start.down)
    if not _apart(start.up) or off > FRAME_TOLERANCE[start.dtype]:
        return f"the columns of B are zero or not orthogonal, or the rows of A are {off:.2g} off orthonormal"
    return None


def _apart(columns: Tensor) -> bool:
    """Whether no column is zero and any two are orthogonal."""
    norms = columns.norm(dim=0)
    return bool(norms.all()) and _off_identity((columns / norms).T) <= FRAME_TOLERANCE[torch.bfloat16]


def _off_identity(rows: Tensor) -> float:
    """Return the largest entry of |rows rows' - I|."""
    return (rows @ rows.T - torch.eye(len(rows), dtype=rows.dtype, device=rows.device)).abs().max().item()


def _ratio(difference: Tensor, reference: Tensor) -> float:
    return _norm(difference) / _norm(reference)


def _norm(values: Tensor) -> float:
    return float(torch.linalg.vector_norm(values))


CHECKS: dict[str, Check] = {
    "pissa": _pissa,
    "pissa_niter": _pissa_niter,
    "olora": _olora,
    "mica": _mica,
    "orthogonal": _orthogonal,
    "eva": _eva,
    "corda": _corda,
    "lora_ga": _lora_ga,
}
