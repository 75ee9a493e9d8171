"""How many tokens a model reads: asked before anything is computed, since past its context a model fails or guesses."""

from transformers import PreTrainedConfig

_NAMES = ("max_position_embeddings", "n_positions", "n_ctx", "max_seq_len", "max_sequence_length", "seq_length")
"""What transformers' configs call the context, by how many of them do."""


def context_length(config: PreTrainedConfig) -> int | None:
    """Return the longest sequence of a decoder in tokens; None where positions have no end (ALiBi, recurrences)."""
    decoder = config.get_text_config(decoder=True)
    if getattr(decoder, "alibi", False):
        return None
    lengths = (getattr(decoder, name, None) for name in _NAMES)
    return next((int(length) for length in lengths if length is not None), None)
