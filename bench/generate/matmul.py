"""float32 linear layers through oneDNN where that is faster than the BLAS that torch was built with.

torch's wheels compute float32 products on a CPU by MKL, which on processors that are not Intel's leaves half of the
vector units idle; oneDNN, which comes with torch too, is twice as fast there. Precision is the same: both add in
float32, and results agree up to rounding. Which one a process uses is measured, not assumed, and stands in the
environment of a record.

oneDNN compiles a kernel for every shape (half a millisecond and a megabyte), so only numbers of rows that come again
and again are given to it: whole blocks. Callers fill up to them. Decoding, which has no gradients and few rows, asks
product by product: small ones are faster in the BLAS.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, Literal

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional
from torch.overrides import TorchFunctionMode

BLOCK = 128
"""Rows of a product for oneDNN are a multiple of this."""

MIN_MULTIPLICATIONS = 2_000_000
"""Multiplications from which a single product without gradients is faster through oneDNN, its call included."""

MIN_SPEEDUP = 1.3
"""How much faster oneDNN must be: where both use the same units they differ by a few per cent."""


@cache
def library() -> Literal["onednn", "blas"]:
    """What float32 products go through in this process: "onednn" where it is clearly faster, measured in 10 ms."""
    if not torch.backends.mkldnn.is_available() or not hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        return "blas"
    # Of the size of a small model's layer, and large enough that the call itself does not count.
    x, weight = torch.ones(256, 256), torch.ones(256, 256)
    blas, onednn = _fastest(lambda: functional.linear(x, weight)), _fastest(lambda: _onednn(x, weight, None))
    return "onednn" if blas > MIN_SPEEDUP * onednn else "blas"


@contextmanager
def fast_linear() -> Iterator[None]:
    """Compute linear layers by the `library` of this process, and their gradients too, wherever those are taken."""
    if library() == "blas":
        yield
        return
    with _FastLinear():
        yield


def whole_blocks(rows: int, weight: Tensor) -> int:
    """`rows` filled up to a number for which `product` by `weight` is fast; unchanged where none is."""
    # Few different numbers of rows, since oneDNN compiles a kernel for each; finer where filling up costs more.
    block = 8 if rows <= 64 else 32
    filled = -(-rows // block) * block
    return filled if _suits(filled, weight) else rows


def product(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """`x` (rows, in) times `weight` (in, out), without gradients, through what is faster for this size."""
    if _suits(x.shape[0], weight):
        return _onednn(x, weight.t(), bias)
    return torch.mm(x, weight) if bias is None else torch.addmm(bias, x, weight)


def add_product(total: Tensor, x: Tensor, weight: Tensor) -> None:
    """Add `product` of `x` and `weight` to `total` in place."""
    if _suits(x.shape[0], weight):
        total.add_(_onednn(x, weight.t(), None))
    else:
        total.addmm_(x, weight)


def _suits(rows: int, weight: Tensor) -> bool:
    """Whether a product of so many rows is one for oneDNN: large enough, and of a number of rows that comes again."""
    worth = rows % 8 == 0 and rows * weight.numel() >= MIN_MULTIPLICATIONS
    return worth and weight.dtype == torch.float32 and library() == "onednn"


class _FastLinear(TorchFunctionMode):
    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        options = kwargs or {}
        if func is functional.linear and _plain(*args, **options):
            return _linear(*args, **options)
        return func(*args, **options)


def _linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    # Flattened outside of the Function: a view that it returns could not be added to in place, which some adapters do.
    rows: Tensor = _Linear.apply(input.flatten(0, -2), weight, bias)
    return rows.view(*input.shape[:-1], -1)


class _Linear(torch.autograd.Function):
    """functional.linear of a matrix; the gradients are products of the same kind."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        return _onednn(x, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        # Frozen base weights under an adapter need no gradient, which is a third of the arithmetic.
        of_x, of_weight, of_bias = ctx.needs_input_grad
        return (
            _onednn(gradient, weight.t(), None) if of_x else None,
            _onednn(gradient.t(), x.t(), None) if of_weight else None,
            gradient.sum(dim=0) if of_bias else None,
        )


def _plain(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> bool:
    """Whether a call of functional.linear is one of plain float32 tensors of whole blocks, outside of autocast."""
    # Subclasses of Tensor (quantised weights, for one) bring a product of their own.
    kinds = {type(tensor) for tensor in (input, weight, bias) if tensor is not None}
    plain = kinds <= {Tensor, torch.nn.Parameter} and not torch.is_autocast_enabled("cpu")
    return plain and weight.dim() == 2 and (bias is None or bias.dtype == torch.float32) and _fits(input, weight)


def _fits(x: Tensor, weight: Tensor) -> bool:
    """Whether a product of (..., in) and a matrix is one for oneDNN."""
    return (
        x.dtype == weight.dtype == torch.float32
        and x.device.type == weight.device.type == "cpu"
        and x.numel() > 0
        and x.shape[:-1].numel() % BLOCK == 0
        and library() == "onednn"
    )


def _onednn(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    result: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
    return result


def _fastest(call: Callable[[], Tensor], rounds: int = 20) -> float:
    """Seconds of the fastest of several calls."""
    # The fastest, not the mean: whatever else the machine does can only add to it.
    best = float("inf")
    with torch.inference_mode():
        for _ in range(rounds):
            started = time.perf_counter()
            call()
            best = min(best, time.perf_counter() - started)
    return best
