"""Do two runs change the same entries? From the sampled masks in their records (`geometry.mask_sample`).

A run is taken with every other one of another seed; the interval is a jackknife over seeds, since pairs share runs.
"""

from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatchcase
from itertools import combinations
from statistics import fmean

import numpy as np

from rlvr_bench.geometry.packed_masks import expected_jaccard, unpack
from rlvr_bench.studies.contrasts import SAME, jackknife, paired_strata
from rlvr_bench.studies.errors import NoEvidence
from rlvr_bench.studies.evidence import INTERVENTIONS, Evidence, EvidenceRun, Where
from rlvr_bench.studies.finding import Finding, Settings

Mask = np.ndarray[tuple[int], np.dtype[np.bool_]]

Compare = Callable[[Mask, Mask], float | None]

OWN, RESTORED = "changed", "restored"
SOMETHING = "?*"
"""A glob that any setting matches which is there."""
MIN_SEEDS = 3
"""A jackknife over fewer has no degree of freedom worth the name."""


def mask_agreement(
    evidence: Evidence,
    runs: Where,
    above: str = "independence",
    matrices: str = "*",
    match: Sequence[str] = SAME,
    reach: float = 0.0,
) -> Finding:
    """Mean Jaccard index of the changed masks of runs that differ in nothing but the seed, above a baseline.

    Args:
        evidence: of one base model.
        runs: which runs.
        above: "independence", p q / (p + q - p q) for masks of densities p and q; or "permuted", what two null updates
            have above that, the runs' own entries in random places: the agreement that rounding to bf16 makes alone.
        matrices: a glob on matrix names.
        match: what the runs must share beside their learning rate.
        reach: leave out runs that change so much that not even nested masks would be as far above independence.
    """
    selection = evidence.select(runs)
    groups = [group for group, _ in paired_strata(selection, selection, (*match, "learning_rate"))]
    groups = [_sampled(group, OWN) for group in groups]
    groups = [group for group in groups if len(group) >= MIN_SEEDS]
    if not groups:
        raise NoEvidence(f"fewer than {MIN_SEEDS} runs that differ in nothing but the seed have a sampled mask")
    # Where nearly all entries change, no two masks can be far above independence: such runs say nothing of a claim
    # that asks for a distance, and would count against it.
    within = [group for group in groups if _attainable(group, matrices) >= reach]
    beyond = sum(len(group) for group in groups) - sum(len(group) for group in within)
    if not within:
        raise NoEvidence(
            f"{beyond} runs change so many entries that equal masks would be less than {reach:g} above chance"
        )
    groups = within

    def of_group(group: Sequence[EvidenceRun]) -> float:
        pairs = list(combinations(group, 2))
        excess = fmean(_excess(one, OWN, other, OWN, "update", matrices) for one, other in pairs)
        if above == "permuted":
            excess -= fmean(_excess(one, OWN, other, OWN, "permuted", matrices) for one, other in pairs)
        return excess

    def excess(seeds: Sequence[int]) -> float:
        return fmean(of_group(_of(group, seeds)) for group in groups)  # a group that lacks a seed keeps its weight

    used = [run for group in groups for run in group]
    note = f"{beyond} runs change too many entries to be {reach:g} above chance" if beyond else ""
    parts = [of_group(group) for group in groups]
    settings = Settings(len(parts), min(parts), max(parts), None) if len(parts) > 1 else None
    return Finding.of(jackknife(used, excess), used, note=note, settings=settings)


def intervened_agreement(
    evidence: Evidence,
    plain: Where,
    intervention: str,
    matrices: str,
    coordinates: str = "own",
    match: Sequence[str] = SAME,
) -> Finding:
    """Excess agreement of plain runs with runs on a changed geometry, over that of plain runs with each other.

    1: the change of geometry did not matter; 0: what they agreed in is gone. Both are between runs of different seeds.

    Args:
        evidence: of one base model.
        plain: runs on the base as it is.
        intervention: of the base, such as "rotate_heads".
        matrices: a glob on the names of the matrices to look at: those that were changed, or others.
        coordinates: "own", as trained, or "base", taken back to the base's coordinates.
        match: what both must share beside their learning rate.
    """
    sample = RESTORED if coordinates == "base" else OWN
    changed = evidence.select({**plain, f"{INTERVENTIONS}.{intervention}": SOMETHING})
    strata = paired_strata(evidence.select(plain), changed, (*match, "learning_rate"))
    pairs = [(_sampled(ones, OWN), _sampled(others, sample)) for ones, others in strata]
    pairs = [(ones, others) for ones, others in pairs if min(len(ones), len(others)) >= MIN_SEEDS]
    if not pairs:
        raise NoEvidence(f"fewer than {MIN_SEEDS} runs on either geometry have a sampled mask")

    def kept_share(seeds: Sequence[int]) -> float:
        among, across = [], []
        for ones, others in pairs:
            # Both are between different seeds: a seed shares its rollouts with itself, whatever the geometry.
            among += [(x, OWN, y, OWN) for x, y in combinations(_of(ones, seeds), 2)]
            across += [(x, OWN, y, sample) for x in _of(ones, seeds) for y in _of(others, seeds) if x.seed != y.seed]
        ceiling, left = (
            fmean(_excess(*pair, "update", matrices) for pair in comparisons) for comparisons in (among, across)
        )
        if ceiling <= 0:
            raise NoEvidence("plain runs agree no more than independent ones: there is nothing to lose")
        return left / ceiling

    sides = [[run for pair in pairs for run in pair[side]] for side in (0, 1)]
    return Finding.of(jackknife([*sides[0], *sides[1]], kept_share), *sides)


def _sampled(runs: Iterable[EvidenceRun], sample: str) -> list[EvidenceRun]:
    """Return the runs whose records hold the sample, one for each seed."""
    return list({run.seed: run for run in runs if (run.record.measurement("mask_sample") or {}).get(sample)}.values())


def _of(runs: Sequence[EvidenceRun], seeds: Sequence[int]) -> list[EvidenceRun]:
    return [run for run in runs if run.seed in seeds]


def _attainable(runs: Sequence[EvidenceRun], matrices: str) -> float:
    """Return how far above independence the runs' masks would be if of any two one held the other."""
    pairs = combinations(runs, 2)
    return fmean(_over_matrices(one, OWN, other, OWN, "update", matrices, attainable_excess) for one, other in pairs)


def _excess(
    one: EvidenceRun, one_sample: str, other: EvidenceRun, other_sample: str, kind: str, matrices: str
) -> float:
    """Return the Jaccard index of two runs' sampled masks minus its expectation, mean over matrices."""
    return _over_matrices(one, one_sample, other, other_sample, kind, matrices, jaccard_excess)


def _over_matrices(
    one: EvidenceRun, one_sample: str, other: EvidenceRun, other_sample: str, kind: str, matrices: str, compare: Compare
) -> float:
    first, second = (run.record.measurement("mask_sample") or {} for run in (one, other))
    excesses = []
    for name, packed in first[one_sample].items():
        if fnmatchcase(name, matrices):
            masks = [unpack(text[kind], packed["places"]) for text in (packed, second[other_sample][name])]
            compared = compare(*masks)
            excesses += [] if compared is None else [compared]
    if not excesses:
        raise NoEvidence(f"no matrix {matrices} has changed entries in both of two runs")
    return fmean(excesses)


def jaccard_excess(one: Mask, other: Mask) -> float | None:
    """Return |A and B| / |A or B| minus its value for independent masks; None where neither has an entry."""
    expected = expected_jaccard(float(one.mean()), float(other.mean()))
    union = int((one | other).sum())
    return None if expected is None or not union else int((one & other).sum()) / union - expected


def attainable_excess(one: Mask, other: Mask) -> float | None:
    """Return the largest value of `jaccard_excess` for masks of these sizes: that of the smaller within the larger."""
    low, high = sorted((float(one.mean()), float(other.mean())))
    expected = expected_jaccard(low, high)
    return None if expected is None else low / high - expected
