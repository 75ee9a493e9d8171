"""Rows of LoRA variants: other starts, other learning rules, other parametrisations of B A.

A (rank, in) and B (out, rank) throughout.
"""

from typing import Any

from rlvr_bench.methods.base.method import Shape
from rlvr_bench.methods.peft.row import PeftRow, Settings, choice, each, flag, number, whole
from rlvr_bench.methods.peft.sizes import SINGULAR_PARTS, AtMost, Divides

RANK = whole(16, "Rank of the update; at 1/rank scaling the best learning rate hardly depends on it.")
SINGULAR_RANK = whole(16, "Rank of the part; at most the smaller side of every target.", SINGULAR_PARTS)
ALPHA = whole(32, "Scale of the update, divided by the rank (or its root with rslora); 32 as for lora.")
UNSCALED = whole(None, "Scale of the update; left out it is the rank, so that B A is the part itself, unscaled.")
RSLORA = flag(False, "Divide alpha by sqrt(rank) (rsLoRA, arXiv 2312.03732).")

LORA_KEYS = {"rank": RANK, "alpha": ALPHA, "rslora": RSLORA}
LORA_RATES = (1e-6, 1e-2)


def lora_fields(keys: Settings, start: bool | str = True, **more: Any) -> dict[str, Any]:
    """Return LoRA's config fields."""
    fields = {"r": keys.rank, "lora_alpha": keys.alpha or keys.rank, "lora_dropout": 0.0, "bias": "none"}
    return fields | {"use_rslora": getattr(keys, "rslora", False), "init_lora_weights": start} | more


def factors(keys: Settings, out: int, inputs: int) -> dict[str, Shape]:
    """Return A and B."""
    return {"lora_A.weight": (keys.rank, inputs), "lora_B.weight": (out, keys.rank)}


def started(name: str, summary: str, source: str, formula: str, **more: Any) -> PeftRow:
    """Return the row of a LoRA that differs in its start alone."""
    usual: dict[str, Any] = {"options": LORA_KEYS, "trainable": each(factors), "learning_rates": LORA_RATES}
    usual |= {"fields": lambda keys: lora_fields(keys, name.replace("-", "_"))}
    row = {"family": "low-rank", "peft_type": "LORA", "dials": ("rank",)} | usual | more
    return PeftRow(name=name, summary=summary, source=source, formula=formula, **row)


def initial_rank(rank: int) -> int:
    """Return the rank at which AdaLoRA starts: one and a half times the average that it ends with, as in the paper."""
    return rank + max(1, rank // 2)


STARTS = (
    started(
        "olora",
        "LoRA that starts from the first part of every matrix's QR decomposition, which leaves the frozen base.",
        "OLoRA, arXiv 2406.01775",
        "W = (W0 - Q_r R_r) + B A, starting at B = Q_r, A = R_r, with W0 = Q R cut at the rank",
        options={"rank": SINGULAR_RANK, "alpha": UNSCALED},
        learning_rates=(1e-7, 1e-3),
        random=False,
    ),
    started(
        "orthogonal",
        "LoRA whose A and B are both random at the start and orthogonal to each other, so that B A is zero.",
        "orthogonal LoRA start, datta0.github.io/posts/rethink-lora-init; in PEFT as init_lora_weights = 'orthogonal'",
        "W = W0 + (alpha / rank) B A, starting at A = Q_odd' X / 10, B = Y Q_even / 10; Q random and orthogonal",
        options=LORA_KEYS | {"rank": whole(16, "Rank of the update; even, since A and B share Q.", multiple_of=2)},
    ),
    started(
        "mica",
        "LoRA that moves outputs only along the smallest left singular vectors: B is theirs and frozen, A is trained.",
        "MiCA, arXiv 2604.01694",
        "W = W0 + (alpha / rank) B A, B = U_r (bottom r, frozen), A = 0 at the start",
        options=LORA_KEYS | {"rank": SINGULAR_RANK},
        trainable=each(lambda keys, out, inputs: {"lora_A.weight": (keys.rank, inputs)}),
        random=False,
    ),
    started(
        "eva",
        "LoRA whose A holds the principal directions of a module's inputs on the training prompts; B = 0.",
        "EVA, arXiv 2410.07170",
        "W = W0 + (alpha / rank) B A, starting at A = top principal components of the centred inputs, B = 0",
        options=LORA_KEYS
        | {
            "rank": whole(
                16,
                "Rank of the update; at most half the inputs of every target, which PEFT's incremental SVD needs.",
                AtMost(lambda shape: shape[1] // 2, "half the inputs"),
            ),
            "rho": number(
                1.0,
                "Largest rank of a module over the average one. At 1 all keep theirs, as every method of a comparison "
                "has the same modules; at 2, as in the paper, ranks move to where inputs vary most.",
                ge=1,
            ),
        },
        fields=lambda keys: lora_fields(keys, "eva", eva_config={"rho": keys.rho}),
        trainable=lambda keys, shapes: None if keys.rho > 1 else each(factors)(keys, shapes),
        random=False,
    ),
    started(
        "corda",
        "LoRA that starts from the part of every matrix that acts most on the training prompts' inputs.",
        "CorDA, arXiv 2406.05223",
        "W = (W0 - B0 A0) + B A, starting at the top (ipm) or bottom (kpm) r components of W0 C = U S V': B = U S^1/2, "
        "A = S^1/2 V' C^-1, C the covariance of the inputs",
        options={
            "rank": SINGULAR_RANK,
            "alpha": UNSCALED,
            "mode": choice(
                "ipm",
                "kpm",
                why="'ipm' adapts what matters for the calibration prompts, which are the task's own here; 'kpm' "
                "adapts what matters least for them.",
            ),
        },
        fields=lambda keys: lora_fields(keys, "corda", corda_config={"corda_method": keys.mode}),
        learning_rates=(1e-7, 1e-3),
        random=False,
    ),
    started(
        "lora-ga",
        "LoRA that starts along the gradient of every matrix, which leaves the frozen base.",
        "LoRA-GA, arXiv 2407.05000; B keeps the singular values of the gradient as in PEFT, which the paper leaves out",
        "W = (W0 - s B0 A0) + s B A, s = alpha / rank, starting at A = V'[:r], B = U[r:2r] S[r:2r] out^1/4 / gamma^1/2 "
        "of the gradient U S V' of the training prompts' next-token loss",
        options=LORA_KEYS
        | {
            "rank": whole(
                16,
                "Rank of the update; A and B take two times as many components of the gradient.",
                AtMost(lambda shape: min(shape) // 2, "half the smaller side"),
            ),
            "gamma": whole(16, "Shrinks B at the start; 16 in the paper."),
        },
        fields=lambda keys: lora_fields(keys, "lora_ga", lora_ga_config={"stable_gamma": keys.gamma}),
        learning_rates=(1e-7, 1e-3),
    ),
)

VARIANTS = (
    PeftRow(
        name="dora",
        summary="LoRA on the direction of every weight row, with the row norms trained apart.",
        family="low-rank",
        peft_type="LORA",
        source="DoRA, arXiv 2402.09353",
        formula="W = m (W0 + (alpha / rank) B A) / |W0 + (alpha / rank) B A|, row by row; m = |W0|, B = 0 at the start",
        learning_rates=LORA_RATES,
        options=LORA_KEYS,
        fields=lambda keys: lora_fields(keys, use_dora=True),
        trainable=each(lambda keys, out, inputs: factors(keys, out, inputs) | {"lora_magnitude_vector.weight": (out,)}),
        dials=("rank",),
        why_slow="Every step builds B A and takes the norms of the rows of W0 + B A.",
    ),
    PeftRow(
        name="lora-plus",
        summary="LoRA whose B learns faster than its A; the learning rate is A's.",
        family="low-rank",
        peft_type="LORA",
        source="LoRA+, arXiv 2402.12354",
        formula="W = W0 + (alpha / rank) B A, B = 0 at the start, learning rate of B = ratio x that of A",
        learning_rates=(1e-7, 1e-3),
        options=LORA_KEYS | {"ratio": number(16.0, "Learning rate of B over that of A; 16 in the paper.", ge=1)},
        fields=lora_fields,
        trainable=each(factors),
        dials=("rank",),
        handle="rlvr_bench.methods.peft.training:LoraPlusHandle",
        end_checks=("rlvr_bench.methods.peft.training:rate_problems",),
    ),
    PeftRow(
        name="lora-fa",
        summary="LoRA whose A stays as drawn; B follows the full matrix's gradient as closely as it can.",
        family="low-rank",
        peft_type="LORA",
        source="LoRA-FA, arXiv 2308.03303",
        formula="W = W0 + s B A, s = alpha / rank, A frozen, B = 0 at the start; AdamW sees g (A A')^-1 / s^2, g B's",
        learning_rates=LORA_RATES,
        options=LORA_KEYS,
        fields=lora_fields,
        trainable=each(lambda keys, out, inputs: {"lora_B.weight": (out, keys.rank)}),
        dials=("rank",),
        handle="rlvr_bench.methods.peft.training:LoraFaHandle",
        end_checks=("rlvr_bench.methods.peft.training:projection_problems",),
    ),
    PeftRow(
        name="adalora",
        summary="Singular-value adapters whose ranks are pruned, while training, to where they matter most.",
        family="low-rank",
        peft_type="ADALORA",
        source="AdaLoRA, arXiv 2303.10512; the rates of its GLUE runs are 5e-4 to 2e-3",
        formula="W = W0 + (alpha / r0) P diag(E) Q, E = 0 at the start, r0 = 1.5 rank; entries of E of least "
        "sensitivity are zeroed until their average number is rank; P'P and Q Q' are pulled to I",
        learning_rates=LORA_RATES,
        options={
            "rank": whole(16, "Average rank at the end; training starts with half as many again, as in the paper."),
            "alpha": whole(32, "Scale of the update, divided by the rank at the start; 32 as for lora."),
            "warm_up": number(0.1, "Share of the steps before pruning begins; about a tenth in the paper.", ge=0, lt=1),
            "final": number(0.5, "Share of the steps after pruning has ended; about a half in the paper.", gt=0, lt=1),
            "interval": whole(1, "Steps between two prunings; runs here have few steps."),
            "orthogonality": number(0.1, "Weight of the pull on P and Q; the least of the paper's 0.1 to 0.5.", ge=0),
        },
        fields=lambda keys: {
            "init_r": initial_rank(keys.rank),
            "target_r": keys.rank,
            "lora_alpha": keys.alpha,
            "lora_dropout": 0.0,
            "bias": "none",
            "orth_reg_weight": 0.0,  # acts on a loss from labels only; the handle adds the gradient itself
            "total_step": 1,  # the schedule is set when the number of steps is known
        },
        trainable=each(
            lambda keys, out, inputs: {
                "lora_A": (initial_rank(keys.rank), inputs),
                "lora_B": (out, initial_rank(keys.rank)),
                "lora_E": (initial_rank(keys.rank), 1),
            }
        ),
        dials=("rank",),
        handle="rlvr_bench.methods.peft.training:AdaLoraHandle",
        end_checks=("rlvr_bench.methods.peft.training:rank_problems",),
    ),
    PeftRow(
        name="delora",
        summary="LoRA whose rank-one parts have a norm of their own, so that length and direction are learnt apart.",
        family="low-rank",
        peft_type="DELORA",
        source="DeLoRA, arXiv 2503.18225; PEFT advises rates of 1e-3 to 1e-2",
        formula="W = W0 + (strength / rank) sum_i b_i a_i' / (|b_i| |a_i|) * |w|, |w| the column norms of W0; B = 0 at "
        "the start",
        learning_rates=(1e-5, 1e-1),
        options={
            "rank": RANK,
            "strength": number(
                1.0,
                "Start of the trained length. Directions are normalised, so that the very first step moves W by about "
                "strength / sqrt(rank x in) of its norm: half of it for 96 inputs at PEFT's 15.",
            ),
        },
        fields=lambda keys: {"r": keys.rank, "delora_lambda": keys.strength},
        trainable=each(
            lambda keys, out, inputs: {
                "delora_A": (keys.rank, inputs),
                "delora_B": (out, keys.rank),
                "delora_lambda": (1,),
            }
        ),
        dials=("rank",),
        why_slow="Every step takes the norms of all factors' rows and columns anew to normalise them.",
    ),
    PeftRow(
        name="gralora",
        summary="LoRA on a grid of blocks, each with factors of its own.",
        family="low-rank",
        peft_type="GRALORA",
        source="GraLoRA, arXiv 2505.20355",
        formula="W = W0 + (alpha / rank) [B_ij A_ij], blocks x blocks pieces that share the trained values of LoRA's "
        "rank; B = 0 at the start",
        learning_rates=(1e-6, 1e-2),
        options={
            "rank": whole(16, "Rank, for which LoRA trains as many values; a multiple of blocks."),
            "blocks": whole(2, "Blocks along each side; 2 is PEFT's advice up to rank 32.", Divides("side", 2)),
            "alpha": whole(32, "Scale of the update, divided by the rank; 32 as for lora."),
        },
        fields=lambda keys: {"r": keys.rank, "gralora_k": keys.blocks, "alpha": keys.alpha},
        trainable=each(
            lambda keys, out, inputs: {
                "gralora_A": (keys.blocks, inputs // keys.blocks, keys.rank),
                "gralora_B": (keys.blocks, keys.rank, out // keys.blocks),
            }
        ),
        dials=("rank",),
    ),
)
