"""Whether the model can read all that a cell asks: found out before the base is scored, and not by an index.

Prompts with their completions have to fit its context, and to be scored alike beside longer ones.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from rlvr_bench.evaluate.scores import questions
from rlvr_bench.generate.fast import FastBackend
from rlvr_bench.measure.context import CellContext
from rlvr_bench.models.context import context_length
from rlvr_bench.train.proof import padding_refusal


class _Question(NamedTuple):
    """Prompts that are generated for together; `key` is the setting that bounds their completions."""

    what: str
    prompts: list[list[int]]
    key: str
    max_new_tokens: int


def refuse_unreadable(context: CellContext) -> None:
    """Raise ValueError where a prompt and its completion exceed the model's context, or the model reads padding."""
    asked = list(_questions(context))
    limit = context_length(context.loaded.model.config)
    if limit is not None:
        _refuse_beyond(limit, asked)
    prompts = [prompt for question in asked for prompt in question.prompts]
    padded = context.backend.name != FastBackend.name  # what is decoded fast is known to leave padding out
    if prompts and padded and (reason := padding_refusal(context.loaded.model, prompts)) is not None:
        raise ValueError(reason)


def _refuse_beyond(limit: int, asked: Sequence[_Question]) -> None:
    """Raise ValueError, with what to lower, where a prompt and its completion are longer than `limit` tokens."""
    for question in asked:
        longest = max(map(len, question.prompts), default=0)
        room = limit - longest
        if question.max_new_tokens > room:
            fix = f"lower {question.key} to {room}" if room > 0 else "choose a model with a longer context"
            raise ValueError(
                f"a prompt and its completion take {longest + question.max_new_tokens} tokens ({question.what}), the "
                f"model's context is {limit}; {fix}"
            )


def _questions(context: CellContext) -> Iterator[_Question]:
    cell = context.cell
    train = context.encoded(context.task.problems("train")[: cell.signal.train_problems])
    yield _Question(f"{context.task.name}, train", train, "signal.max_new_tokens", cell.signal.max_new_tokens)
    for name, task, split in questions(cell, context.task):
        prompts = context.encoded(task.problems(split), task)
        yield _Question(f"{name}, {split}", prompts, "evaluate.max_new_tokens", cell.evaluate.max_new_tokens)
