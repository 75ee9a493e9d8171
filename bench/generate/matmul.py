"""float32 linear layers through oneDNN where that is faster than the BLAS that torch was built with.

torch's wheels compute float32 products on a CPU by MKL, which on processors that are not Intel's leaves half of the
vector units idle; oneDNN, which comes with torch too, is twice as fast there. Precision is the same: both add in
float32, and results agree up to rounding. Which one a machine uses is measured once (see `float32_products`), and
stands in the environment of a record.

oneDNN compiles a kernel for every shape (half a millisecond and a megabyte), so only numbers of rows that come again
and again are given to it: whole blocks. Callers fill up to them. Decoding, which has no gradients and few rows, asks
product by product: small ones are faster in the BLAS.
"""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from rlvr_bench.experiment.errors import ExperimentError
from rlvr_bench.generate import float32_products
from rlvr_bench.generate.float32_products import Library, Timings

BLOCK = 128
"""Rows of a product for oneDNN are a multiple of this."""

MIN_MULTIPLICATIONS = 2_000_000
"""Multiplications from which a single product without gradients is faster through oneDNN, its call included."""

CALLS, PATIENCE, MOST_ROUNDS = 5, 30, 300
"""A timing calls each library so often a round, until none was faster for so many rounds, or after so many in all."""


@cache
def library() -> Library:
    """What float32 products go through in this process: what was decided for this machine, or is forced.

    Raises:
        ExperimentError: oneDNN is forced and this torch has none.
        RecordError: nothing was decided yet, and the cache cannot be written.
    """
    available = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    chosen = float32_products.forced()
    if chosen == "onednn" and not available:
        raise ExperimentError(f"{float32_products.VARIABLE}=onednn: this torch has no oneDNN; set it to blas")
    threads = torch.get_num_threads()
    return chosen or float32_products.decided(threads, lambda: _timings() if available else None).library


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


def _timings() -> Timings:
    """Time both libraries in turn until neither gets faster any more, which takes about a second on an idle machine."""
    # Of the size of a small model's layer, and large enough that the call itself does not count.
    x, weight = torch.ones(256, 256), torch.ones(256, 256)
    calls = (lambda: functional.linear(x, weight)), (lambda: _onednn(x, weight, None))
    best, since = [math.inf, math.inf], 0
    for _ in range(MOST_ROUNDS):
        now = [min(previous, _fastest(call)) for previous, call in zip(best, calls, strict=True)]
        since = 0 if any(new < 0.98 * previous for new, previous in zip(now, best, strict=True)) else since + 1
        best = now
        if since == PATIENCE:
            break
        time.sleep(0.01)  # what keeps the machine busy now may not a moment later
    return Timings(blas=best[0], onednn=best[1])


def _fastest(call: Callable[[], Tensor]) -> float:
    """Seconds of the fastest of several calls: whatever else the machine does can only add to it."""
    best = math.inf
    with torch.inference_mode():
        for _ in range(CALLS):
            started = time.perf_counter()
            call()
            best = min(best, time.perf_counter() - started)
    return best
