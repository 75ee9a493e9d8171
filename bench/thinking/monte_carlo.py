"""How often a trace ends correct when it is continued afresh from a position (STOP, arXiv 2604.16029, eq. 8)."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from rlvr_bench.generate.stop_texts import finish
from rlvr_bench.tasks.problem import Problem
from rlvr_bench.thinking.sampling import Asker
from rlvr_bench.thinking.trace import Trace

Values = dict[tuple[str, tuple[int, ...]], float]
"""Share of correct continuations, by problem id and the completion tokens read."""

_SEED_OFFSET = 1_000_003
"""Continuations draw other noise than the traces."""


def spread_positions(fed: int, count: int) -> list[int]:
    """At most `count` positions, evenly over a trace, the last one included."""
    return sorted({max(min(fed, 1), round(fed * (place + 1) / count)) for place in range(count)})


def continuation_values(
    asker: Asker,
    problems: Mapping[str, Problem],
    traces: Sequence[Trace],
    places: Sequence[Sequence[int]],
    rollouts: int,
) -> Values:
    """The value at the given positions of traces; prefixes that traces share are continued once.

    The whole completion, prefix and continuation, keeps to the settings' `max_new_tokens`.
    """
    pending = {
        (trace.problem, trace.tokens[:place]): trace.prompt
        for trace, own in zip(traces, places, strict=True)
        for place in own
    }
    values: Values = {}
    for read in sorted({len(prefix) for _, prefix in pending}):
        due = [(prefix, prompt) for prefix, prompt in pending.items() if len(prefix[1]) == read]
        rows = [list(prompt + prefix[1]) for prefix, prompt in due for _ in range(rollouts)]
        limit, seed = asker.settings.max_new_tokens - read, asker.settings.seed + _SEED_OFFSET
        params = replace(asker.params, max_new_tokens=limit, seed=seed)
        completions = asker.backend.generate(asker.model, rows, params)
        whole = [list(due[row // rollouts][0][1]) + tokens for row, tokens in enumerate(completions.token_ids)]
        ended, texts = finish(replace(completions, token_ids=whole), asker.tokenizer, asker.task.stop)
        for number, (prefix, _) in enumerate(due):
            own = slice(number * rollouts, (number + 1) * rollouts)
            right = sum(
                asker.verdict(text, problems[prefix[0]], cut).correct
                for text, cut in zip(texts[own], ended.truncated[own], strict=True)
            )
            values[prefix] = right / rollouts
    return values
