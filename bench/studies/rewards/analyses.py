"""The analyses that claims on rewards name."""

from collections.abc import Mapping

from rlvr_bench.studies.finding import Analysis
from rlvr_bench.studies.rewards import clip_sides, gains, noise, planted, prompt_styles, strategies

ANALYSES: Mapping[str, Analysis] = {
    "gain": gains.gain,
    "gain-difference": gains.gain_difference,
    "over-ceiling": gains.over_ceiling,
    "peak-to-last": gains.peak_to_last,
    "reward-order": gains.reward_order,
    "seed-sd-ratio": gains.seed_sd_ratio,
    "planted-gain": planted.planted_gain,
    "planted-completion": planted.planted_completion,
    "change": strategies.change,
    "rollout-change": strategies.rollout_change,
    "rollout-change-difference": strategies.rollout_change_difference,
    "signed-gain": strategies.signed_gain,
    "prompt-range": prompt_styles.prompt_range,
    "sampled-gain-difference": clip_sides.sampled_gain_difference,
    "drift-agreement": clip_sides.drift_agreement,
    "settled-accuracy-difference": noise.settled_accuracy_difference,
    "time-ratio": noise.time_ratio,
    "shrinkage": prompt_styles.shrinkage,
}
