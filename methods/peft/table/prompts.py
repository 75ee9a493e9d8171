"""Rows that put trained tokens before the prompt and move no weight: rollouts run on the model with its prefix."""

from collections.abc import Mapping

from rlvr_bench.methods.base.method import Shape, target_weights
from rlvr_bench.methods.peft.row import PeftRow, Settings, choice, whole


def prefix_shapes(keys: Settings, shapes: Mapping[str, Shape]) -> dict[str, Shape] | None:
    """Return the prefix: a key and a value per layer; None for a base whose key projections have another name."""
    widths = [out for out, _ in target_weights(shapes, ("k_proj", "v_proj")).values()]
    return {"prompt_encoder.default.embedding.weight": (keys.tokens, sum(widths))} if widths else None


def prompt_shapes(keys: Settings, shapes: Mapping[str, Shape]) -> dict[str, Shape] | None:
    """Return the virtual tokens; None for a base whose embeddings have another name."""
    widths = [shape[1] for name, shape in shapes.items() if name.endswith("embed_tokens.weight")]
    return {"prompt_encoder.default.embedding.weight": (keys.tokens, widths[0])} if widths else None


PROMPTS = (
    PeftRow(
        name="prompt-tuning",
        summary="Trained virtual tokens before every prompt; no weight moves.",
        family="prompt",
        peft_type="PROMPT_TUNING",
        source="prompt tuning, arXiv 2104.08691",
        formula="h0 = [P; embed(x)], P (tokens, hidden) trained; not the base at the start",
        learning_rates=(1e-5, 1e0),
        options={
            "tokens": whole(16, "Virtual tokens; a handful, since prompts here are short (20 to 100 in the paper)."),
            "start": choice(
                "vocabulary", "random", why="The paper finds embeddings of random known tokens better than noise."
            ),
        },
        fields=lambda keys: {
            "num_virtual_tokens": keys.tokens,
            "prompt_tuning_init": "SAMPLE_VOCAB" if keys.start == "vocabulary" else "RANDOM",
        },
        trainable=prompt_shapes,
        dials=("tokens",),
        identity=False,
        mergeable=False,
        touches="nothing",
    ),
    PeftRow(
        name="prefix-tuning",
        summary="Trained keys and values before every prompt, in every layer; no weight moves.",
        family="prompt",
        peft_type="PREFIX_TUNING",
        source="prefix tuning, arXiv 2101.00190, without its reparametrisation",
        formula="K = [P_k; K(x)], V = [P_v; V(x)] in every layer, P trained, 0 at the start; not the base then",
        learning_rates=(1e-5, 1e-1),
        options={
            "tokens": whole(8, "Virtual tokens; few, as at the start they dilute attention (10 to 200 in the paper)."),
        },
        fields=lambda keys: {
            "num_virtual_tokens": keys.tokens,
            "init_weights": "zero",  # zeros only dilute attention; PEFT's noise adds to it
        },
        trainable=prefix_shapes,
        dials=("tokens",),
        random=False,
        identity=False,
        mergeable=False,
        touches="nothing",
    ),
)
