"""Whether a run learned from samples of its own policy: judged at the end of every run, from its steps.

The drift probe (see `probe`) looks at a few short prompts and stops a run at once. This looks at every token that was
learned from: the difference between rollout and trainer on sampled tokens, and the KL to the base at the first step,
where the policy still is the base.
"""

from collections.abc import Sequence
from statistics import fmean

from rlvr_bench.record.schema import StepRecord

MISMATCH = "sampling/sampling_logp_difference"
MEAN_MISMATCH = {"fp32": 1e-3, "bf16": 0.1}
"""Nats per token, mean over a run, that rounding explains. Measured in float32 runs: 1e-7 (median); in bf16: up to 0.06
on a real model that is unsure (SmolLM2-135M, 2 nats of entropy a token)."""
FIRST_KL = {"fp32": 1e-5, "bf16": 1e-2}
"""Nats per token (k3) at the first step of a method that starts as the base; in float32 runs measured 1e-13."""


def mean_mismatch(steps: Sequence[StepRecord]) -> float | None:
    """Return the mean difference of rollout and trainer in nats a token; None where nothing was sampled to learn from.

    Steps count alike.
    """
    means = [value for step in steps if (value := (step.model_extra or {}).get(f"{MISMATCH}/mean")) is not None]
    return fmean(means) if means else None


def first_kl(steps: Sequence[StepRecord]) -> float | None:
    """Return the KL to the base at the first step in nats a token (k3); None where it was not measured."""
    return next((step.kl for step in steps if step.step == 1), None)


def disagreements(steps: Sequence[StepRecord], precision: str, *, starts_as_base: bool) -> list[str]:
    """Return a sentence for each way in which rollouts and trainer were not the same policy; none if they were.

    Args:
        precision: "fp32" or "bf16": what rounding explains.
        starts_as_base: whether the policy that is sampled at the first step equals the base.
    """
    faults = []
    mismatch, first = mean_mismatch(steps), first_kl(steps)
    if mismatch is not None and not mismatch <= MEAN_MISMATCH[precision]:  # also when it is NaN
        faults.append(
            f"rollouts and trainer differ by {mismatch:.2g} nats a token on average, of which rounding in {precision} "
            f'explains {MEAN_MISMATCH[precision]:g}; set signal.rollout_backend = "hf" to see which is off'
        )
    if starts_as_base and first is not None and not first <= FIRST_KL[precision]:
        faults.append(f"the KL to the base is {first:.2g} nats a token at step 1, where the policy is the base")
    return faults
