"""The sparsities and norms of an update in one pass over its entries: what is known of a matrix outside of a sample.

In blocks that stay in the processor's cache, without temporary tensors of the matrix's size, which take ten times as
long as the arithmetic. The same figures as `precision` and `measure` give, norms from float32.
"""

import torch
from torch import Tensor

from rlvr_bench.geometry.figures import Figures
from rlvr_bench.geometry.masks import size
from rlvr_bench.geometry.precision import ABSOLUTE_TOLERANCE

BLOCK = 2**16
"""Entries at a time."""


def sizes(before: Tensor, after: Tensor) -> tuple[float, Figures]:
    """Return the Frobenius norm of `before`, and the figures of the update that all entries have.

    Args:
        before, after: of one shape, on the processor.
    """
    unchanged = equal = near = 0
    base_square = square = 0.0
    for old, new in zip(before.flatten().split(BLOCK), after.flatten().split(BLOCK), strict=True):
        shown_old, shown_new = old.to(torch.bfloat16), new.to(torch.bfloat16)
        unchanged += size(shown_old == shown_new)
        near += size((shown_new.float() - shown_old.float()).abs() <= ABSOLUTE_TOLERANCE)
        old, new = old.float(), new.float()
        equal += size(old == new)
        base_square += float(torch.linalg.vector_norm(old)) ** 2
        square += float(torch.linalg.vector_norm(new - old)) ** 2
    base_norm, norm, entries = base_square**0.5, square**0.5, before.numel()
    return base_norm, {
        "sparsity_bf16": unchanged / entries,
        "relative_norm": norm / base_norm if base_norm else None,
        "update_norm": norm,
        "sparsity_fp32": equal / entries,
        "sparsity_1e_5": near / entries,
    }
