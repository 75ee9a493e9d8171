"""Rows that train a subset of every matrix itself: singular triples or entries."""

import math

from rlvr_bench.methods.base.method import Shape
from rlvr_bench.methods.peft.row import PeftRow, Settings, choice, each, number, whole
from rlvr_bench.methods.peft.sizes import AtMost


def tail_shapes(keys: Settings, out: int, inputs: int) -> dict[str, Shape]:
    """Return the singular triples that OSF trains."""
    side = min(out, inputs)
    tail = side - int(side * (1 - keys.tail))
    return {
        "osf_svd_params.U_low": (out, tail),
        "osf_svd_params.S_low": (tail,),
        "osf_svd_params.V_low": (tail, inputs),
    }


def smallest_or_largest(keys: Settings, out: int, inputs: int) -> dict[str, Shape]:
    """Return Super-Tuning's values; PEFT counts the entries that a sparsity leaves over."""
    return {"supertuning_values": (int(out * inputs * (1 - (1 - keys.density))),)}


SUBSETS = (
    PeftRow(
        name="osf",
        summary="Full fine-tuning of the smallest singular triples, kept off the span of the frozen largest.",
        family="subspace",
        peft_type="OSF",
        source="OSF, arXiv 2504.07097",
        formula="W = U_h S_h V_h' (frozen) + U S V' (trained), gradients of U and V projected off U_h and V_h",
        learning_rates=(1e-7, 1e-1),
        options={
            "tail": number(0.5, "Share of the singular triples that is trained; PEFT's default is a half.", gt=0, lt=1)
        },
        fields=lambda keys: {"effective_rank": 1 - keys.tail},
        trainable=each(tail_shapes),
        dials=("tail",),
        random=False,
        why_slow="Every step builds U S V' of the tail twice as full matrices, trained and initial, to add"
        " their difference.",
    ),
    PeftRow(
        name="shira",
        summary="A random set of entries of every matrix; matrices of one shape have the same set.",
        family="sparse",
        peft_type="SHIRA",
        source="SHiRA, arXiv 2406.13175",
        formula="W = W0 + M * dW, M with rank (out + in) random entries, as many as LoRA of that rank trains",
        learning_rates=(1e-6, 1e-2),
        options={
            "rank": whole(
                8,
                "Rank of the LoRA with as many values.",
                AtMost(lambda shape: math.prod(shape) // sum(shape), "out x in / (out + in)"),
            )
        },
        fields=lambda keys: {"r": keys.rank},
        trainable=each(lambda keys, out, inputs: {"shira_weight": (keys.rank * (out + inputs),)}),
        dials=("rank",),
    ),
    PeftRow(
        name="super-tuning",
        summary="The entries of largest, or of smallest, magnitude of every matrix.",
        family="sparse",
        peft_type="SUPERTUNING",
        source="Super-Tuning, arXiv 2607.09287",
        formula="W = W0 + M * dW, M the density entries of largest (top) or smallest (bottom) |W0|",
        learning_rates=(1e-6, 1e-2),
        options={
            "density": number(0.01, "Share of the entries that is trained; 1 % in the paper.", gt=0, le=1),
            "select": choice(
                "top", "bottom", why="The paper finds the better end to depend on model and task; top is its main case."
            ),
        },
        fields=lambda keys: {"sparsity": 1 - keys.density, "select_top": keys.select == "top"},
        trainable=each(smallest_or_largest),
        dials=("density",),
        examples=({}, {"select": "bottom"}),
        random=False,
    ),
)
