"""Rows whose update is a product of small factors other than LoRA's B A."""

from rlvr_bench.methods.base.method import Shape
from rlvr_bench.methods.peft.row import PeftRow, Settings, each, whole
from rlvr_bench.methods.peft.sizes import AtMost


def kronecker_shapes(keys: Settings, out: int, inputs: int) -> dict[str, Shape]:
    """Return LoKr's two factors, the second one of low rank where that is smaller."""
    (rows, long_rows), (columns, long_columns) = split(out, keys.factor), split(inputs, keys.factor)
    shapes: dict[str, Shape] = {"lokr_w1": (rows, columns)}
    if keys.rank < max(long_rows, long_columns) / 2:
        return shapes | {"lokr_w2_a": (long_rows, keys.rank), "lokr_w2_b": (keys.rank, long_columns)}
    return shapes | {"lokr_w2": (long_rows, long_columns)}


def split(size: int, factor: int) -> tuple[int, int]:
    """Return two numbers with product `size`, first `factor` where it divides, else the smaller one below `factor`."""
    dividing = (n for n in range(1, factor + 1) if size % n == 0 and n * n <= size)
    first = factor if size % factor == 0 else max(dividing)
    return first, size // first


PRODUCTS = (
    PeftRow(
        name="loha",
        summary="The entrywise product of two low-rank matrices, whose rank is the product of theirs.",
        family="product",
        peft_type="LOHA",
        source="LoHa (FedPara), arXiv 2108.06098",
        formula="W = W0 + (B1 A1) * (B2 A2), entrywise; B2 = 0 at the start",
        learning_rates=(1e-6, 1e-2),
        options={"rank": whole(8, "Rank of each factor; 8 gives products of rank up to 64.")},
        fields=lambda keys: {"r": keys.rank, "alpha": keys.rank},
        trainable=each(
            lambda keys, out, inputs: {
                f"hada_w{n}_{side}": shape
                for n in (1, 2)
                for side, shape in (("a", (out, keys.rank)), ("b", (keys.rank, inputs)))
            }
        ),
        dials=("rank",),
        why_slow="Every step builds two products of factors, of the full size of every matrix, and "
        "multiplies them entry by entry.",
    ),
    PeftRow(
        name="lokr",
        summary="The Kronecker product of two small matrices, the larger of them of low rank.",
        family="product",
        peft_type="LOKR",
        source="LoKr (LyCORIS), arXiv 2309.14859",
        formula="W = W0 + C (x) (B A), C (factor, factor); C = 0 at the start",
        learning_rates=(1e-5, 1e-1),
        options={
            "rank": whole(16, "Rank of B A; from half its larger side on it is one full matrix."),
            "factor": whole(8, "Side of C, or its nearest smaller divisor of a side; 8 as LyCORIS recommends."),
        },
        fields=lambda keys: {"r": keys.rank, "alpha": keys.rank, "decompose_factor": keys.factor},
        trainable=each(kronecker_shapes),
        dials=("rank",),
        why_slow="Every step builds the Kronecker product of every matrix, of its full size.",
    ),
    PeftRow(
        name="miss",
        summary="One small trained matrix per target, repeated along its inputs.",
        family="product",
        peft_type="MISS",
        source="MiSS, arXiv 2409.15371",
        formula="W = W0 + [D D D ...], D (out, rank) repeated until the inputs are full; D = 0 at the start",
        learning_rates=(1e-6, 1e-2),
        options={
            "rank": whole(16, "Width of D.", AtMost(lambda shape: shape[1], "the inputs")),
        },
        fields=lambda keys: {"r": keys.rank},
        trainable=each(lambda keys, out, inputs: {"miss_block": (keys.rank, out)}),
        dials=("rank",),
        random=False,
    ),
    PeftRow(
        name="hira",
        summary="Low-rank factors that multiply the weights entrywise, so that the update has full rank.",
        family="product",
        peft_type="HIRA",
        source="HiRA, ICLR 2025 (openreview TwJrTz9cRS)",
        formula="W = W0 + W0 * (B A), entrywise; B = 0 at the start",
        learning_rates=(1e-5, 1e-1),
        options={"rank": whole(16, "Rank of the factors; 16 as for lora.")},
        fields=lambda keys: {"r": keys.rank},
        trainable=each(lambda keys, out, inputs: {"hira_A": (keys.rank, inputs), "hira_B": (out, keys.rank)}),
        dials=("rank",),
        why_slow="Every step builds A'B' times W0, of the full size of every matrix, and multiplies the "
        "inputs with it beside the base's own product.",
    ),
)
