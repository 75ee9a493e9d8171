"""What a batch of completions is paid: the reward on what it may know, and the verdicts that it read, metered."""

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

from rlvr_bench.tasks.problem import Problem, Verdict
from rlvr_bench.tasks.rewards import RewardContext
from rlvr_bench.train.seeds import derive
from rlvr_bench.train.training_run import TrainingRun
from rlvr_bench.train.verdicts import CountedVerdicts


def pay(
    run: TrainingRun[Any],
    completions: Sequence[str],
    problems: Sequence[Problem],
    verdicts: Sequence[Verdict],
    truncated: Sequence[bool],
    batch: int,
) -> list[float]:
    """Return one reward per completion; `batch` numbers the batches of a run, from 0.

    All completions are verified, for the record; only the verdicts that the reward reads are paid for.

    Raises:
        ValueError: the reward is not one finite number per completion.
    """
    bought = CountedVerdicts(verdicts)
    context = RewardContext(
        task=run.task,
        seed=derive(run.seed, "rollout"),
        step=batch,
        indices=_occurrences(problems),
        verdicts=bought,
        truncated=truncated,
        labels=run.labels,
    )
    rewards = run.reward(completions, problems, context)
    run.meter.verdicts += bought.read
    if len(rewards) != len(completions) or not all(map(math.isfinite, rewards)):
        raise ValueError("the reward did not give one finite number per completion; mend the reward")
    return rewards


def _occurrences(problems: Sequence[Problem]) -> list[int]:
    """Return for each place how often its problem stands before it."""
    counts: Counter[str] = Counter()
    numbers = []
    for problem in problems:
        numbers.append(counts[problem.id])
        counts[problem.id] += 1
    return numbers
