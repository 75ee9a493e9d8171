"""What a claim about a method needs beside this one run, and what its size can show."""

import re

from rlvr_bench.audit.rule import Answer, Numbers, note, ok, rule
from rlvr_bench.audit.subject import Subject
from rlvr_bench.stats.power import detectable_difference, planned_variance

SEED_SD = 0.02
"""Assumed standard deviation of a method's accuracy over seeds, as of a 7B model on a few hundred problems."""

PROBLEM_SD, RESIDUAL_SD = 0.2, 0.4
"""Assumed standard deviations of two methods' difference over problems, and of one outcome around both."""

FEW_SEEDS = 5

USUAL_PROBLEMS = 500
"""Problems of MATH-500, where --problems does not say how many."""


@rule(
    "what does a claim need that is not here?", "Hochlehner et al. 2025, arXiv 2504.07086; arXiv 2506.10947; 2507.10532"
)
def claim_evidence(subject: Subject) -> Answer:
    """Name what these files hold no trace of: seeds, controls, tuned rates, prompt range, contamination, base score."""
    names = subject.history.names if subject.history else set()
    here = {
        f"{FEW_SEEDS} seeds or more (--seeds)": subject.seeds >= FEW_SEEDS,
        "a run with a control reward (random, format)": False,
        "a learning rate tuned for each method": False,
        "the range over prompt styles (prompt_range)": False,
        "a contamination check (rlvr-bench contamination)": False,
        "the base's score under the same prompt": _scored_before_training(subject),
        "scores on held-out problems": any(re.match(r"eval_|val[-_/]|eval/", name) for name in names),
    }
    missing = [name for name, present in here.items() if not present]
    numbers: Numbers = {"missing": len(missing), "of": len(here)}
    if not missing:
        return ok("all of it is here", **numbers)
    return note(
        "; ".join(missing), "add them before a claim about the method, or limit the claim to this run", **numbers
    )


@rule(
    "what difference can so many seeds and problems show?",
    "Card et al. 2020, arXiv 2010.06595; Dror et al. 2018, P18-1128",
)
def claim_power(subject: Subject) -> Answer:
    """State the true difference of two methods that is found four times of five at 5 %, under stated deviations."""
    problems = subject.problems or USUAL_PROBLEMS
    numbers: Numbers = {"seeds": subject.seeds, "problems": problems, "seed_sd": SEED_SD}
    assumed = "" if subject.problems else " (assumed; --problems)"
    if subject.seeds < 2:
        numbers["difference"] = _difference(FEW_SEEDS, problems)
        return note(
            f"one seed shows none: the spread over seeds is unknown; {FEW_SEEDS} seeds on {problems} problems{assumed}"
            f" would show {numbers['difference']:.1%}",
            "train more seeds, and give --seeds and --problems",
            **numbers,
        )
    numbers["difference"] = _difference(subject.seeds, problems)
    return ok(
        f"{subject.seeds} seeds on {problems} problems{assumed} show {numbers['difference']:.1%} of accuracy, if seeds"
        f" differ by {SEED_SD:.0%}",
        **numbers,
    )


def _difference(seeds: int, problems: int) -> float:
    variance = planned_variance(seeds, problems, SEED_SD, PROBLEM_SD, RESIDUAL_SD)
    return float(detectable_difference(variance, alpha=0.05))


def _scored_before_training(subject: Subject) -> bool:
    entries = subject.history.entries if subject.history else []
    return any(entry["step"] == 0 and any(name.startswith(("eval", "val")) for name in entry) for entry in entries)
