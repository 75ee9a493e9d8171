"""Rows that train coefficients of a fixed transform of the update."""

import math

from rlvr_bench.methods.peft.row import PeftRow, each, number, whole
from rlvr_bench.methods.peft.sizes import AtMost, Divides

ENTRIES_OF_A_MATRIX = AtMost(math.prod, "the number of entries", 1000)

TRANSFORMS = (
    PeftRow(
        name="fourierft",
        summary="A few trained Fourier coefficients of every update, at random frequencies.",
        family="transform",
        peft_type="FOURIERFT",
        source="FourierFT, arXiv 2405.03003",
        formula="W = W0 + scaling Re(IDFT2(F)), F zero but for n_frequency trained entries, all 0 at the start",
        learning_rates=(1e-5, 1e-1),
        options={
            "n_frequency": whole(
                None,
                "Coefficients per matrix; left out 1000 as in the paper, or all where a matrix has fewer.",
                ENTRIES_OF_A_MATRIX,
            ),
            "scaling": number(300.0, "Scale of the update; 300 for LLaMA models in the paper."),
        },
        fields=lambda keys: {"n_frequency": keys.n_frequency, "scaling": keys.scaling, "init_weights": True},
        trainable=each(lambda keys, out, inputs: {"fourierft_spectrum": (keys.n_frequency,)}),
        dials=("n_frequency",),
        why_slow="Every step takes an inverse two-dimensional FFT of the full size of every matrix.",
    ),
    PeftRow(
        name="waveft",
        summary="A few trained wavelet coefficients of every update, at random places.",
        family="transform",
        peft_type="WAVEFT",
        source="WaveFT, arXiv 2505.12532",
        formula="W = W0 + scaling IDWT2(C), Haar, C zero but for n_frequency trained entries, all 0 at the start",
        learning_rates=(1e-7, 1e-3),
        options={
            "n_frequency": whole(
                None,
                "Coefficients per matrix; left out 1000 as for fourierft, or all where a matrix has fewer.",
                ENTRIES_OF_A_MATRIX,
            ),
            "scaling": number(25.0, "Scale of the update; 25 in the paper."),
        },
        fields=lambda keys: {"n_frequency": keys.n_frequency, "scaling": keys.scaling},
        trainable=each(lambda keys, out, inputs: {"waveft_spectrum": (keys.n_frequency,)}),
        dials=("n_frequency",),
        why_slow="Every step takes an inverse wavelet transform of the full size of every matrix.",
    ),
    PeftRow(
        name="c3a",
        summary="Blocks that are circulant matrices, hence a convolution with one trained vector each.",
        family="transform",
        peft_type="C3A",
        source="C3A, arXiv 2407.19342; trained at 0.1 to 0.3",
        formula="W = W0 + [circ(k_ij)], k_ij (block_size) = 0 at the start",
        learning_rates=(1e-4, 1e0),
        options={
            "block_size": whole(
                None,
                "Side of a block, which divides both sides of every target; left out the largest up to 256.",
                Divides("side", 256),
            )
        },
        fields=lambda keys: {"block_size": keys.block_size, "init_weights": True},
        trainable=each(
            lambda keys, out, inputs: {
                "c3a_kernel": (out // keys.block_size, inputs // keys.block_size, keys.block_size)
            }
        ),
        dials=("block_size",),
        random=False,
        why_slow="Inputs and outputs go through complex FFTs, block by block, where the base has one real "
        "matrix product.",
    ),
)
