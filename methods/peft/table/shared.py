"""Rows whose trained values serve all matrices at once, or sit between projections that all share."""

from collections import Counter
from collections.abc import Mapping

from rlvr_bench.methods.base.method import Shape, target_weights
from rlvr_bench.methods.peft.row import PeftRow, Settings, each, first_target, number, whole
from rlvr_bench.methods.peft.sizes import SINGULAR_PARTS, Divides


def vector_bank(keys: Settings, shapes: Mapping[str, Shape]) -> dict[str, Shape]:
    """Return VB-LoRA's bank, and the logits that mix every factor out of it."""
    first, length = first_target(keys, shapes), keys.vector_length
    logits = each(
        lambda keys, out, inputs: {
            "vblora_logits_A": (keys.rank, inputs // length, keys.num_vectors),
            "vblora_logits_B": (out // length, keys.rank, keys.num_vectors),
        }
    )
    return {f"{first}.vblora_vector_bank.default": (keys.num_vectors, length)} | logits(keys, shapes)


def tied_vectors(keys: Settings, shapes: Mapping[str, Shape]) -> dict[str, Shape]:
    """Return TinyLoRA's vectors, one for each group of neighbouring matrices."""
    groups = sorted(set(_groups(keys, len(target_weights(shapes, keys.targets)))))
    return {f"{first_target(keys, shapes)}.tinylora_v.default.{group}": (keys.width,) for group in groups}


def _groups(keys: Settings, matrices: int) -> list[int]:
    """Return the number of the vector that each of the targeted matrices uses."""
    groups = max(1, round(matrices * (1 - keys.tying)))
    return [min(index // max(1, matrices // groups), groups - 1) for index in range(matrices)]


def repeated_directions(keys: Settings, matrices: int | None) -> str | None:
    """Say when TinyLoRA's vectors are longer than there are directions for them.

    Each matrix of those that share a vector has frozen_rank^2 directions of its own.
    """
    if keys.tying and matrices is None:
        return None
    sharing = max(Counter(_groups(keys, matrices)).values(), default=1) if keys.tying and matrices else 1
    room = sharing * keys.frozen_rank**2
    if keys.width <= room:
        return None
    those = f"{sharing} matrices that share a vector" if sharing > 1 else "a matrix"
    return (
        f"width = {keys.width} is more than the {room} directions that frozen_rank = {keys.frozen_rank} leaves to "
        f"{those} (its square for each); set width to at most {room}, or raise frozen_rank"
    )


SHARED = (
    PeftRow(
        name="vera",
        summary="Two trained vectors per matrix around frozen random projections that all matrices share.",
        family="shared",
        peft_type="VERA",
        source="VeRA, arXiv 2310.11454",
        formula="W = W0 + diag(b) B diag(d) A, A and B random, frozen and shared; b = 0, d = d_initial at the start",
        learning_rates=(1e-5, 1e-1),
        options={
            "rank": whole(256, "Length of d; the paper takes 256 to 1024, as a rank costs one value per matrix."),
            "d_initial": number(0.1, "Start of d; the paper's table 6c recommends 0.1 or less."),
        },
        fields=lambda keys: {"r": keys.rank, "d_initial": keys.d_initial},
        trainable=each(lambda keys, out, inputs: {"vera_lambda_b": (out,), "vera_lambda_d": (keys.rank,)}),
        dials=("rank",),
        why_slow="Its default rank of 256 is more than the sides of a small model, so that both products "
        "around the diagonals cost more than the base's.",
    ),
    PeftRow(
        name="vb-lora",
        summary="LoRA whose factors are mixed, piece by piece, out of one trained bank of vectors.",
        family="shared",
        peft_type="VBLORA",
        source="VB-LoRA, arXiv 2405.15179",
        formula="W = W0 + B A; every piece of A and B is the softmax mix of its topk vectors of the bank; not the base "
        "at the start, since a bank of zeros has no gradient",
        learning_rates=(1e-5, 1e-1),
        options={
            "num_vectors": whole(90, "Vectors in the bank; the paper takes 90 for its smallest model, RoBERTa."),
            "vector_length": whole(
                None,
                "Length of a vector, which divides both sides of every target; left out the largest up to 256.",
                Divides("side", 256),
            ),
            "rank": whole(4, "Rank of the factors; 4 in the paper."),
            "topk": whole(2, "Vectors that one piece mixes; 2 in the paper."),
        },
        fields=lambda keys: {
            "num_vectors": keys.num_vectors,
            "vector_length": keys.vector_length,
            "r": keys.rank,
            "topk": keys.topk,
        },
        trainable=vector_bank,
        dials=("num_vectors", "rank"),
        identity=False,
    ),
    PeftRow(
        name="randlora",
        summary="A full-rank sum of frozen random low-rank bases, each scaled by trained diagonals.",
        family="shared",
        peft_type="RANDLORA",
        source="RandLoRA, arXiv 2502.00987",
        formula="W = W0 + (20 / n) sum_j B_j diag(l_j) A diag(g_j), n = min(out, in) / rank bases; l = 0 at the start",
        learning_rates=(1e-6, 1e-2),
        options={
            "rank": whole(
                None,
                "Rank of one basis, which divides both sides of every target; a smaller one needs more bases, hence "
                "more trained values. Left out the largest up to 32, PEFT's default.",
                Divides("side", 32),
            ),
        },
        fields=lambda keys: {"r": keys.rank, "randlora_alpha": 20 * (keys.rank or 0)},
        trainable=each(
            lambda keys, out, inputs: {
                "randlora_lambda": (keys.rank, min(out, inputs) // keys.rank),
                "randlora_gamma": (min(out, inputs) // keys.rank, min(out, inputs)),
            }
        ),
        dials=("rank",),
        why_slow="Every step builds an update of the full size of every matrix as a sum over its bases.",
    ),
    PeftRow(
        name="tinylora",
        summary="A handful of trained values between frozen top singular vectors, through fixed random matrices.",
        family="shared",
        peft_type="TINYLORA",
        source="TinyLoRA, arXiv 2602.04118; its RL rates are 1e-7 to 2e-4",
        formula="W = W0 + U S (sum_i v_i P_i) V' (top frozen_rank), P_i random and frozen; v (width) = 0 at the start",
        learning_rates=(1e-7, 1e-1),
        options={
            "width": whole(
                4,
                "Length of v, at most frozen_rank^2 for each matrix that uses it: more values repeat directions.",
            ),
            "frozen_rank": whole(2, "Singular vectors kept; 2 in the paper.", SINGULAR_PARTS),
            "tying": number(0.0, "Share of the matrices that give up a v of their own; at 1 all use one.", ge=0, le=1),
        },
        fields=lambda keys: {"r": keys.frozen_rank, "u": keys.width, "weight_tying": keys.tying},
        trainable=tied_vectors,
        dials=("width", "tying"),
        misfit=repeated_directions,
        why_slow="Every matrix takes a chain of small operators of its own, whose fixed cost outweighs a "
        "small model's products.",
    ),
    PeftRow(
        name="unilora",
        summary="LoRA whose every entry is one of the values of a single trained vector.",
        family="shared",
        peft_type="UNILORA",
        source="Uni-LoRA, arXiv 2506.00799",
        formula="W = W0 + B A, (A, B) = P theta, P random and fixed with one entry a row; theta random, not the base "
        "at the start",
        learning_rates=(1e-5, 1e-1),
        options={
            "length": whole(256, "Length of the trained vector; PEFT's default."),
            "rank": whole(4, "Rank of the factors; 4 in the paper."),
        },
        fields=lambda keys: {"theta_d_length": keys.length, "r": keys.rank},
        trainable=lambda keys, shapes: {f"{first_target(keys, shapes)}.unilora_theta_d.default": (keys.length,)},
        dials=("length",),
        identity=False,
        why_slow="Every step gathers all entries of every A and B anew from the trained vector.",
    ),
)
