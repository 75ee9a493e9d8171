"""Which numbers are seeds: those that numpy's and torch's generators both take."""

from collections import Counter

LARGEST_SEED = 2**32 - 1


def distinct_seeds(seeds: tuple[int, ...]) -> tuple[int, ...]:
    """Return the seeds, or raise ValueError when there is none, one is no seed or one comes twice."""
    twice = [seed for seed, count in Counter(seeds).items() if count > 1]
    if not seeds:
        raise ValueError("there is no seed; give at least one")
    if twice:
        raise ValueError(f"seed {twice[0]} is there twice; give each seed once")
    if min(seeds) < 0:
        raise ValueError(f"seed {min(seeds)} is negative; use 0 or more")
    if max(seeds) > LARGEST_SEED:
        raise ValueError(f"seed {max(seeds)} is above {LARGEST_SEED}, the largest that numpy takes; use a smaller one")
    return seeds
