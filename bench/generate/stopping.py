"""Which tokens end a completion: the same in training and evaluation, and the same as TRL's."""

from transformers import PreTrainedModel, PreTrainedTokenizerBase


def eos_token_ids(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    """The tokenizer's EOS and every id that the model declares as one, such as the end of a turn."""
    declared = model.generation_config.eos_token_id
    ids = declared if isinstance(declared, list) else [declared]
    return frozenset(int(token) for token in [tokenizer.eos_token_id, *ids] if token is not None)
