"""Rows that rotate what goes into, or comes out of, a matrix."""

from rlvr_bench.methods.peft.row import PeftRow, choice, each, flag, whole
from rlvr_bench.methods.peft.sizes import AtMost, Divides

ROTATIONS = (
    PeftRow(
        name="oft",
        summary="A trained rotation of the inputs, block by block; the singular values stay.",
        family="orthogonal",
        peft_type="OFT",
        source="OFT, arXiv 2306.07280 and 2506.19847",
        formula="W = W0 diag(R_1, R_2, ...), R = (I + Q)(I - Q)^-1, Q skew (block_size, block_size), 0 at the start",
        learning_rates=(1e-6, 1e-2),
        options={
            "block_size": whole(
                None,
                "Side of a block, which divides the inputs of every target; left out the largest up to 32.",
                Divides("input", 32),
            ),
            "neumann": flag(
                False, "Approximate the inverse by five terms: faster for large blocks, no longer exactly orthogonal."
            ),
        },
        fields=lambda keys: {"oft_block_size": keys.block_size, "r": 0, "use_cayley_neumann": keys.neumann},
        trainable=each(
            lambda keys, out, inputs: {
                "oft_R.weight": (inputs // keys.block_size, keys.block_size * (keys.block_size - 1) // 2)
            }
        ),
        dials=("block_size",),
        random=False,
    ),
    PeftRow(
        name="boft",
        summary="A trained rotation of the inputs as a product of sparse butterfly factors, and a gain per output.",
        family="orthogonal",
        peft_type="BOFT",
        source="BOFT, arXiv 2311.06243",
        formula="W = diag(s) W0 prod_i P_i' diag(R_1, R_2, ...) P_i, R as for oft; R = I, s = 1 at the start",
        learning_rates=(1e-6, 1e-2),
        options={
            "block_size": whole(
                None,
                "Side of a block, even; times 2^(factors - 1) it divides the inputs; left out the largest up to 4.",
                Divides("input", 4, multiple_of=2),
            ),
            "factors": whole(2, "Butterfly factors; with 1 it would be OFT."),
        },
        fields=lambda keys: {
            "boft_block_size": keys.block_size,
            "boft_block_num": 0,
            "boft_n_butterfly_factor": keys.factors,
        },
        trainable=each(
            lambda keys, out, inputs: {
                "boft_R": (keys.factors, inputs // keys.block_size, keys.block_size, keys.block_size),
                "boft_s": (out, 1),
            }
        ),
        dials=("block_size", "factors"),
        random=False,
        why_slow="Every step inverts the blocks of each butterfly factor and multiplies the factors into "
        "every full matrix (without CUDA in plain PyTorch).",
    ),
    PeftRow(
        name="hra",
        summary="A chain of trained Householder reflections of the inputs; the singular values stay.",
        family="orthogonal",
        peft_type="HRA",
        source="HRA, arXiv 2405.17484",
        formula="W = W0 prod_i (I - 2 u_i u_i' / |u_i|^2), i to rank; the u start in equal pairs, which cancel",
        learning_rates=(1e-6, 1e-1),
        options={"rank": whole(8, "Number of reflections, even so that they cancel; 8 in the paper.", multiple_of=2)},
        fields=lambda keys: {"r": keys.rank},
        trainable=each(lambda keys, out, inputs: {"hra_u": (inputs, keys.rank)}),
        dials=("rank",),
        why_slow="Every step multiplies its reflections, one after another, into a square matrix as wide "
        "as the inputs of every module.",
    ),
    PeftRow(
        name="road",
        summary="A trained rotation and scaling of pairs of outputs.",
        family="orthogonal",
        peft_type="ROAD",
        source="RoAd, arXiv 2409.00119",
        formula="W = R W0, R of 2 x 2 blocks alpha (cos t, -sin t; sin t, cos t); t = 0, alpha = 1 at the start",
        learning_rates=(1e-5, 1e-1),
        options={
            "variant": choice(
                "road_1",
                "road_2",
                "road_4",
                why="Angles and scales per pair: one, two or four; one is the paper's least.",
            ),
            "group_size": whole(
                None,
                "Outputs among which pairs are formed, an even divisor of every output size; left out the largest up "
                "to 64. It changes which outputs pair, not how many values are trained.",
                Divides("output", 64, multiple_of=2),
            ),
        },
        fields=lambda keys: {"variant": keys.variant, "group_size": keys.group_size},
        trainable=each(
            lambda keys, out, inputs: {
                name: (out * int(keys.variant.removeprefix("road_")) // 2,) for name in ("road_theta", "road_alpha")
            }
        ),
        dials=("variant",),
        random=False,
    ),
    PeftRow(
        name="psoft",
        summary="A trained rotation inside the top singular subspace of every matrix, between two gains.",
        family="orthogonal",
        peft_type="PSOFT",
        source="PSOFT, openreview FSHrinMArK",
        formula="W = W0 + U S (diag(b) R diag(a) - I) V' (top rank), R orthogonal by Cayley; R = I, a = b = 1 at the "
        "start",
        learning_rates=(1e-6, 1e-2),
        options={
            "rank": whole(
                None,
                "Dimensions of the subspace; left out 32 as in the paper, or the smallest side of the targets.",
                AtMost(min, "the smaller side", 32),
            )
        },
        fields=lambda keys: {"r": keys.rank, "psoft_alpha": keys.rank},
        trainable=each(
            lambda keys, out, inputs: {
                "psoft_R.weight": (keys.rank * (keys.rank - 1) // 2,),
                "psoft_R.vector_b": (keys.rank,),
                "psoft_R.vector_a": (keys.rank,),
            }
        ),
        dials=("rank",),
        random=False,
        why_slow="Every step inverts a matrix for the Cayley transform and takes two further products for "
        "every matrix.",
    ),
)
