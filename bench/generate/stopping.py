"""What ends a completion, the same in training and evaluation: EOS tokens, as TRL has them, and a task's stop texts."""

from collections.abc import Sequence
from dataclasses import dataclass

from transformers import PreTrainedModel, PreTrainedTokenizerBase

SLACK = 4
"""Tokens of a window beside one for each byte of a stop text: decoders treat the first of a text differently."""


def eos_token_ids(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    """The tokenizer's EOS and every id that the model declares as one, such as the end of a turn."""
    declared = model.generation_config.eos_token_id
    ids = declared if isinstance(declared, list) else [declared]
    return frozenset(int(token) for token in [tokenizer.eos_token_id, *ids] if token is not None)


@dataclass(frozen=True, slots=True)
class StopTexts:
    """Texts that end a completion once they stand in it, and the tokenizer that says what tokens spell."""

    tokenizer: PreTrainedTokenizerBase
    texts: tuple[str, ...]

    @classmethod
    def of(cls, tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> "StopTexts | None":
        """None where there are no texts, so that nothing is decoded while tokens are drawn."""
        return cls(tokenizer, tuple(texts)) if texts else None

    @property
    def window(self) -> int:
        """How many tokens at the end of a completion hold every stop text that its last token completes."""
        return max(len(text.encode()) for text in self.texts) + SLACK

    def stand_in(self, rows: Sequence[Sequence[int]]) -> list[bool]:
        """In which rows of tokens a stop text stands, special tokens left out."""
        decoded = self.tokenizer.batch_decode([list(row) for row in rows], skip_special_tokens=True)
        return [any(text in row for text in self.texts) for row in decoded]
