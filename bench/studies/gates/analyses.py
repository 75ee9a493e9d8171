"""The analyses that claims on the three gates name."""

from collections.abc import Mapping

from rlvr_bench.studies.finding import Analysis
from rlvr_bench.studies.gates import (
    best_rates,
    disjoint,
    equal_norm,
    equal_reward,
    mask_agreement,
    placement,
    steps_and_rates,
)

ANALYSES: Mapping[str, Analysis] = {
    "equal-norm-ratio": equal_norm.equal_norm_ratio,
    "equal-norm-difference": equal_norm.equal_norm_difference,
    "equal-reward-ratio": equal_reward.equal_reward_ratio,
    "equal-reward-difference": equal_reward.equal_reward_difference,
    "mean-ratio": placement.mean_ratio,
    "lift": placement.lift,
    "stripes": placement.stripes,
    "stripes-above-null": placement.stripes_above_null,
    "mask-agreement": mask_agreement.mask_agreement,
    "intervened-agreement": mask_agreement.intervened_agreement,
    "worst-accuracy-difference": disjoint.worst_accuracy_difference,
    "rate-sharpness-agreement": best_rates.rate_sharpness_agreement,
    "kl-difference": steps_and_rates.kl_difference,
    "kl-accuracy-correlation": steps_and_rates.kl_accuracy_correlation,
    "rank-one-recovery": steps_and_rates.rank_one_recovery,
    "best-rate-difference": steps_and_rates.best_rate_difference,
    "survived-rate-ratio": steps_and_rates.survived_rate_ratio,
}
