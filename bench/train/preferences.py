"""Preference pairs: two completions of one prompt, labelled by a verifier that errs at a given rate.

They stand for the comparisons that people are paid for. Only pairs of a right and a wrong completion are bought: on
others the verifier has nothing to say.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rlvr_bench.tasks.problem import Verdict
from rlvr_bench.train.drawing import draw
from rlvr_bench.train.ledger import Shape
from rlvr_bench.train.training_run import TrainingRun

PROMPTS_AT_ONCE = 64
EACH = 8
"""Completions per prompt."""
PAIRS_PER_PROMPT = 2
PATIENCE = 200
"""Rounds of sampling after which the base model is given up."""


@dataclass(frozen=True, slots=True)
class Preference:
    """The completion that was preferred to the other, of the train problem at `place`."""

    place: int
    chosen: str
    rejected: str


def collect(run: TrainingRun[Any], count: int, seed: int, *, paid: bool = True) -> list[Preference]:
    """Return `count` pairs of the current policy's completions, the right one chosen.

    Args:
        count: pairs.
        seed: of prompts and samples.
        paid: whether sampling them counts as training; not for pairs that only measure.

    Raises:
        ValueError: the model's samples are nearly all right or nearly all wrong.
    """
    pairs: list[Preference] = []
    shape = Shape.of(run.reference)
    for number in range(PATIENCE):
        source = random.Random(seed + number)
        places = source.sample(range(len(run.problems)), min(PROMPTS_AT_ONCE, len(run.problems)))
        drawn = draw(run, places, EACH, seed + number)
        if paid:
            run.meter.generate(shape, drawn.prompts, drawn.token_ids)
        for row, place in enumerate(places):
            part = slice(row * EACH, (row + 1) * EACH)
            own = list(zip(drawn.texts[part], drawn.verdicts[part], strict=True))
            pairs += pairs_of(place, own, PAIRS_PER_PROMPT)
        if len(pairs) >= count:
            return pairs[:count]
    raise ValueError(
        f"the base model's samples gave {len(pairs)} of {count} preference pairs; lower preference_pairs, or choose a "
        "task that it solves sometimes"
    )


def mislabelled(preferences: list[Preference], noise: float, seed: int) -> list[Preference]:
    """Return the pairs with round(noise * pairs) of them the wrong way round: which ones follows from `seed`."""
    flipped = set(random.Random(seed).sample(range(len(preferences)), round(noise * len(preferences))))
    return [
        Preference(pair.place, pair.rejected, pair.chosen) if number in flipped else pair
        for number, pair in enumerate(preferences)
    ]


def pairs_of(place: int, completions: Sequence[tuple[str, Verdict]], limit: int) -> Iterator[Preference]:
    """Yield up to `limit` pairs of a right and a wrong one of a problem's completions, each different text once."""
    right = list(dict.fromkeys(text for text, verdict in completions if verdict.correct))
    wrong = list(dict.fromkeys(text for text, verdict in completions if not verdict.correct))
    for chosen, rejected in list(zip(right, wrong, strict=False))[:limit]:
        yield Preference(place, chosen, rejected)
