"""The registry of analyses: what a hypothesis can name. One topic per module, one row per analysis.

An analysis is a pure function of the evidence on one base model and of the hypothesis's arguments. It raises NoEvidence
where records are missing.
"""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from rlvr_bench.plugins.suggestion import did_you_mean
from rlvr_bench.studies import contrasts
from rlvr_bench.studies.errors import FindingsError
from rlvr_bench.studies.finding import Finding
from rlvr_bench.studies.gates import equal_norm, mask_agreement, placement, steps_and_rates
from rlvr_bench.studies.hypothesis import Hypothesis
from rlvr_bench.studies.rewards import analyses as rewards
from rlvr_bench.studies.signals import analyses as signals
from rlvr_bench.studies.thinking import analyses as verify

Analysis = Callable[..., Finding]
"""Called with an Evidence and keyword arguments."""

ANALYSES: Mapping[str, Analysis] = {
    "mean": contrasts.mean,
    "difference": contrasts.difference,
    "ratio": contrasts.ratio,
    "accuracy-difference": contrasts.accuracy_difference,
    "signal-mean": signals.signal_mean,
    "signal-difference": signals.signal_difference,
    "figure-difference": signals.figure_difference,
    "family-slope": signals.family_slope,
    "base-slope": signals.base_slope,
    "cold-gain": signals.cold_gain,
    "gain": rewards.gain,
    "gain-difference": rewards.gain_difference,
    "planted-gain": rewards.planted_gain,
    "planted-completion": rewards.planted_completion,
    "change": rewards.change,
    "behaviour-change": rewards.behaviour_change,
    "behaviour-change-difference": rewards.behaviour_change_difference,
    "rollout-change": rewards.rollout_change,
    "rollout-change-difference": rewards.rollout_change_difference,
    "signed-gain": rewards.signed_gain,
    "reward-order": rewards.reward_order,
    "over-ceiling": rewards.over_ceiling,
    "prompt-range": rewards.prompt_range,
    "shrinkage": rewards.shrinkage,
    "peak-to-last": rewards.peak_to_last,
    "seed-sd-ratio": rewards.seed_sd_ratio,
    "verifier-difference": verify.verifier_difference,
    "vote-difference": verify.vote_difference,
    "tenth-of-tokens": verify.tenth_of_tokens,
    "equal-norm-ratio": equal_norm.equal_norm_ratio,
    "equal-norm-difference": equal_norm.equal_norm_difference,
    "lift": placement.lift,
    "stripes": placement.stripes,
    "stripes-above-null": placement.stripes_above_null,
    "mask-agreement": mask_agreement.mask_agreement,
    "intervened-agreement": mask_agreement.intervened_agreement,
    "kl-difference": steps_and_rates.kl_difference,
    "kl-accuracy-correlation": steps_and_rates.kl_accuracy_correlation,
    "rank-one-recovery": steps_and_rates.rank_one_recovery,
    "best-rate-difference": steps_and_rates.best_rate_difference,
    "survived-rate-ratio": steps_and_rates.survived_rate_ratio,
}


def analysis_of(hypothesis: Hypothesis) -> Analysis:
    """Return the analysis that a hypothesis names.

    Raises:
        FindingsError: there is none of that name, or it does not take those arguments.
    """
    found = ANALYSES.get(hypothesis.analysis)
    if found is None:
        raise FindingsError(
            f"hypothesis {hypothesis.id}: unknown analysis {hypothesis.analysis!r}"
            f"{did_you_mean(hypothesis.analysis, ANALYSES)}"
        )
    signature = inspect.signature(found)
    arguments: dict[str, Any] = hypothesis.arguments
    try:
        signature.bind(None, **arguments)
    except TypeError as error:
        named = list(signature.parameters)[1:]
        raise FindingsError(
            f"hypothesis {hypothesis.id}: analysis {hypothesis.analysis!r}: {error}; it takes {', '.join(named)}"
        ) from error
    return found
