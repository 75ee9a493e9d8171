"""Whether all that a cell asks fits the model's context: found out before the base is scored, and not by an index."""

from collections.abc import Iterator
from typing import NamedTuple

from rlvr_bench.evaluate.scores import questions
from rlvr_bench.measure.context import CellContext
from rlvr_bench.models.context import context_length


class _Question(NamedTuple):
    """Prompts that are generated for together; `key` is the setting that bounds their completions."""

    what: str
    prompts: list[list[int]]
    key: str
    max_new_tokens: int


def refuse_beyond_context(context: CellContext) -> None:
    """Raise ValueError, with what to lower, where a prompt and its completion exceed the model's context."""
    limit = context_length(context.loaded.model.config)
    if limit is None:
        return
    for question in _questions(context):
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
