"""Stop texts: what ends a completion beside the EOS, the same in training and evaluation.

Backends that can end a row at its stop text; others go on to the limit. So a stop text is looked for once more after
generation, whatever backend made the tokens: what stands behind it is dropped before anybody reads it, so that it earns
no reward and no gradient.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from transformers import PreTrainedTokenizerBase

from rlvr_bench.generate.backend import Completions

Value = TypeVar("Value")


def finish(
    completions: Completions, tokenizer: PreTrainedTokenizerBase, stop: Sequence[str]
) -> tuple[Completions, list[str]]:
    """Completions that end with the first stop text in them, and what each says before it.

    The tokens of the stop text stay, as the EOS does; a completion that ended by one is not truncated. Texts hold no
    special tokens.
    """
    texts: list[str] = tokenizer.batch_decode(completions.token_ids, skip_special_tokens=True)
    stopped = [row for row, text in enumerate(texts) if any(each in text for each in stop)]
    if not stopped:
        return completions, texts
    ends = list(map(len, completions.token_ids))
    truncated = list(completions.truncated)
    for row in stopped:
        ends[row], truncated[row] = _end(completions.token_ids[row], tokenizer, stop), False
        texts[row] = texts[row][: min(texts[row].find(each) for each in stop if each in texts[row])]
    entropies = completions.entropies
    ended = replace(
        completions,
        token_ids=_up_to(completions.token_ids, ends),
        logprobs=_up_to(completions.logprobs, ends),
        entropies=None if entropies is None else _up_to(entropies, ends),
        truncated=truncated,
    )
    return ended, texts


def _end(tokens: list[int], tokenizer: PreTrainedTokenizerBase, stop: Sequence[str]) -> int:
    """How many tokens it takes until a stop text stands there."""

    def stands(count: int) -> bool:
        text: str = tokenizer.decode(tokens[:count], skip_special_tokens=True)
        return any(each in text for each in stop)

    return bisect_left(range(len(tokens) + 1), True, key=stands)


def _up_to(rows: list[list[Value]], ends: list[int]) -> list[list[Value]]:
    return [row[:end] for row, end in zip(rows, ends, strict=True)]
