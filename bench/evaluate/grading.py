"""From graded completions to a `Score`: one model on one split of one task. Imports no torch."""

import hashlib
from collections.abc import Sequence
from statistics import fmean
from typing import Any

import numpy as np

from rlvr_bench.evaluate.completion import Graded
from rlvr_bench.record.schema import Score
from rlvr_bench.stats.sampling import answer_entropy, average_at_k, majority_at_k, pass_at_k
from rlvr_bench.tasks.problem import Problem

SampleRow = dict[str, Any]
"""A row of `record.samples.SAMPLES_SCHEMA` without the columns `cell_id` and `model`."""


def score(greedy: Sequence[Graded], sampled: Sequence[Graded], samples: int) -> Score:
    """The score of graded completions: one greedy per problem, `samples` sampled ones of the first problems.

    Shares and the mean length are over all of them, greedy and sampled.
    """
    graded = [*greedy, *sampled]
    return Score(
        n=len(greedy),
        problems_hash=problems_hash([one.problem for one in greedy]),
        greedy=_share([one.verdict.correct for one in greedy]),
        greedy_outcomes="".join(str(int(one.verdict.correct)) for one in greedy),
        truncated=_share([one.completion.truncated for one in graded]),
        unparsed=_share([one.verdict.unread for one in graded]),
        verifier_errors=_share([one.verdict.reason == "error" for one in graded]),
        mean_length=fmean(one.completion.tokens for one in graded),
        **(_sampled_metrics(sampled, samples) if samples else {}),
    )


def _sampled_metrics(sampled: Sequence[Graded], samples: int) -> dict[str, Any]:
    groups = [sampled[start : start + samples] for start in range(0, len(sampled), samples)]
    correct = [[one.verdict.correct for one in group] for group in groups]
    answers = [[one.verdict.parsed for one in group] for group in groups]
    counts = np.array([sum(group) for group in correct], dtype=np.int64)
    return {
        "k": samples,
        "avg_k": average_at_k(counts, samples),
        "sample_counts": counts.tolist(),
        "pass_k": {str(k): float(pass_at_k(counts, samples, k).mean()) for k in pass_ks(samples)},
        "maj_k": majority_at_k(answers, correct),
        "answer_entropy": answer_entropy(answers),
    }


def pass_ks(samples: int) -> list[int]:
    """The k of pass@k: powers of two, and the number of samples itself."""
    return sorted({2**power for power in range(samples.bit_length()) if 2**power <= samples} | {samples})


def problems_hash(problems: Sequence[Problem]) -> str:
    """First 16 hex digits of the SHA-256 over the problem ids, in order."""
    return hashlib.sha256(" ".join(problem.id for problem in problems).encode()).hexdigest()[:16]


def _share(flags: Sequence[bool]) -> float:
    return sum(flags) / len(flags)
