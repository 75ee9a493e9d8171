"""Rows that train gains alone: per output, per input, or those of the norms."""

from collections.abc import Mapping

from rlvr_bench.methods.base.method import Shape, target_weights
from rlvr_bench.methods.peft.method import PEFT_PREFIX
from rlvr_bench.methods.peft.row import Option, PeftRow, Settings, norms

NORMS = (
    "input_layernorm",
    "post_attention_layernorm",
    "pre_feedforward_layernorm",
    "post_feedforward_layernorm",
    "q_norm",
    "k_norm",
    "norm",
)
"""Name endings of the norms of decoder models; a base need not have them all."""


def gains(settings: Settings, shapes: Mapping[str, Shape]) -> dict[str, Shape]:
    """Return IA3's vectors: over the inputs of feed-forward targets, over the outputs of the others."""
    return {
        f"{PEFT_PREFIX}{path}.ia3_l.default": (1, inputs) if path.endswith(settings.feedforward) else (out, 1)
        for path, (out, inputs) in target_weights(shapes, settings.targets).items()
    }


GAINS = (
    PeftRow(
        name="ia3",
        summary="One trained gain per output, and per input of the matrices that close a feed-forward block.",
        family="gains",
        peft_type="IA3",
        source="IA3, arXiv 2205.05638; its own targets are k_proj, v_proj and down_proj",
        formula="W = diag(l) W0, or W0 diag(l) for feedforward targets; l = 1 at the start",
        learning_rates=(1e-5, 1e-1),
        options={
            "feedforward": Option(
                ("down_proj",), "Targets whose inputs are scaled, not their outputs.", tuple[str, ...]
            )
        },
        fields=lambda keys: {"feedforward_modules": sorted({*keys.targets} & {*keys.feedforward})},
        trainable=gains,
        closing="feedforward",
        random=False,
    ),
    PeftRow(
        name="ln-tuning",
        summary="The weights of the norms, and nothing else.",
        family="gains",
        peft_type="LN_TUNING",
        source="LayerNorm tuning, arXiv 2312.11420",
        formula="y = norm(x) * g, g trained from the base's own",
        learning_rates=(1e-6, 1e-2),
        options={},
        fields=lambda keys: {},
        trainable=norms,
        random=False,
        touches="norms",
        targets=NORMS,
    ),
)
