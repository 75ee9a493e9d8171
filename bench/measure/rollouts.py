"""A batch of rollouts as a measurement sees it that watches training."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from transformers import PreTrainedModel

from rlvr_bench.tasks.problem import Problem, Verdict


@dataclass(frozen=True, slots=True)
class Rollouts:
    """Graded completions, before the policy learns from them; all sequences have one entry per completion.

    `step` optimizer steps were made before. `policy` gives a context with the plain model that sampled them, which is
    not to be changed, nor kept beyond the context. Several processes that train one cell have a part of a batch each.
    """

    step: int
    problems: Sequence[Problem]
    prompt_ids: Sequence[Sequence[int]]
    token_ids: Sequence[Sequence[int]]
    texts: Sequence[str]
    truncated: Sequence[bool]
    verdicts: Sequence[Verdict]
    policy: Callable[[], AbstractContextManager[PreTrainedModel]]
