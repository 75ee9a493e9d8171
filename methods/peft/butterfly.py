"""BOFT's butterfly factors without a CUDA compiler.

PEFT lays the blocks of a factor on the diagonal of a matrix with an extension that it compiles for CUDA. Where it
cannot, it drops every factor but the first, with a warning: BOFT is then OFT. Here torch stands in for the extension.
"""

import torch
from peft.tuners.boft import layer
from torch import Tensor


class TorchBlocks:
    """The two functions of PEFT's extension, on any device."""

    def forward(self, blocks: Tensor) -> list[Tensor]:
        """Return one tensor (factors, count x side, count x side) with `blocks` (factors, count, side, side) on it."""
        return [torch.stack([torch.block_diag(*factor) for factor in blocks])]

    def backward(self, slope: Tensor, blocks: Tensor) -> list[Tensor]:
        """Return the gradient of `blocks`, given that of what `forward` made of them."""
        factors, count, side, _ = blocks.shape
        split = slope.reshape(factors, count, side, count, side)
        return [torch.diagonal(split, dim1=1, dim2=3).permute(0, 3, 1, 2).contiguous()]


def stand_in_for_cuda() -> None:
    """Let PEFT use torch where there is no CUDA; does nothing where there is, or when it is done already."""
    if not torch.cuda.is_available() and layer._FBD_CUDA is None:
        layer._FBD_CUDA = TorchBlocks()
