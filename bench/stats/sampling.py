"""Metrics of several sampled completions per problem: avg@k, unbiased pass@k, maj@k.

What a completion's answer is, and whether it is correct, is the verifier's business.
"""

from collections import Counter
from collections.abc import Sequence
from math import log

import numpy as np
from numpy.typing import NDArray


def average_at_k(correct_counts: NDArray[np.int64], k: int) -> float:
    """Return the share of correct completions over all problems.

    Args:
        correct_counts: correct completions per problem, shape (problems,), each in 0..k.
        k: completions per problem.
    """
    return int(correct_counts.sum()) / (k * len(correct_counts))


def pass_at_k(correct_counts: NDArray[np.int64], samples: int, k: int) -> NDArray[np.float64]:
    """Return per problem the chance that one or more of `k` of its `samples` completions is correct: (problems,).

    1 - C(n-c, k) / C(n, k), the unbiased estimator of Chen et al. 2021 (arXiv 2107.03374, eq. 1), in product form.

    Args:
        correct_counts: correct completions per problem, shape (problems,), each in 0..samples.

    Raises:
        ValueError: k is not in 1..samples.
    """
    if not 1 <= k <= samples:
        raise ValueError(f"pass@{k} of {samples} samples is undefined; choose k in 1..{samples}")
    wrong = samples - np.asarray(correct_counts, dtype=np.float64)
    drawn = np.arange(k)
    # C(w, k) / C(n, k) = prod_i (w - i) / (n - i); a factor at or below 0 means that k wrong ones do not exist.
    factors = np.clip(wrong[:, None] - drawn, 0, None) / (samples - drawn)
    return 1.0 - np.asarray(factors.prod(axis=1), dtype=np.float64)


def answer_entropy(answers: Sequence[Sequence[str | None]]) -> float:
    """Return the entropy of the answers to a problem in nats, mean over problems; unparsed is an answer of its own.

    Args:
        answers: parsed answers per problem, in one normal form per value; the plug-in estimate is at most log(samples).
    """
    entropies = []
    for of_problem in answers:
        shares = [count / len(of_problem) for count in Counter(of_problem).values()]
        entropies.append(-sum(share * log(share) for share in shares))
    return sum(entropies) / len(entropies)


def majority(answers: Sequence[str | None]) -> int | None:
    """Return the index of the first completion with the most frequent answer; None when no answer could be read.

    Unparsed completions do not vote. Of several equally frequent answers the one that appears first wins (verl's rule),
    which does not look at correctness.
    """
    votes = Counter(answer for answer in answers if answer is not None)
    if not votes:
        return None
    # Counter.most_common keeps the order of first appearance among equals.
    winner, _ = votes.most_common(1)[0]
    return list(answers).index(winner)


def majority_at_k(answers: Sequence[Sequence[str | None]], correct: Sequence[Sequence[bool]]) -> float:
    """Return the share of problems whose majority answer is correct (self-consistency, arXiv 2203.11171).

    Args:
        answers: parsed answers per problem, in one normal form per value; None where unparsed.
        correct: the verdict on each completion, same shape. A problem without any answer counts as wrong.
    """
    right = 0
    for of_problem, verdicts in zip(answers, correct, strict=True):
        index = majority(of_problem)
        right += index is not None and verdicts[index]
    return right / len(answers)
