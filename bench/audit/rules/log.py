"""Health of the training log, under TRL's metric names."""

import math
from statistics import fmean

from rlvr_bench.audit.errors import LacksData
from rlvr_bench.audit.rule import Answer, fault, note, ok, rule
from rlvr_bench.audit.subject import Subject
from rlvr_bench.audit.training_log import Point
from rlvr_bench.record.schema import StepRecord
from rlvr_bench.train.collapse import WINDOW, collapse
from rlvr_bench.train.stability import spikes

TRL = "TRL's GRPO documentation, logged metrics"

DEAD, MOSTLY_DEAD = 0.9, 0.5
"""Share of groups without signal: almost no gradient, and half of the rollouts for nothing."""

ENTROPY_LEFT, ENTROPY_LOW = 0.05, 0.2
"""Share of the starting entropy that is left: collapsed as this project's rule has it, and low."""

CLIPPED = 0.2
"""Share of clipped tokens from which most of a step's signal is cut."""

KL_START = 1e-3
"""Nats a token; the same weights differ by less, even between two kernels in bf16."""

TRUNCATED, OFTEN_TRUNCATED = 0.5, 0.1
"""Share of completions that end at the length limit."""

MISMATCH, LARGE_MISMATCH = 0.02, 0.1
"""Mean |difference| of log-probabilities of rollout and trainer, nats a token; bf16 kernels differ by about 0.005."""

SPIKES = 0.05
"""Share of the steps with a gradient spike."""


@rule("are all logged numbers finite?", "Micikevicius et al. 2018, arXiv 1710.03740, section 3.2")
def log_finite(subject: Subject) -> Answer:
    """Look for NaN and infinity in the log."""
    log = subject.log
    broken = [
        (int(entry["step"]), name) for entry in log.entries for name, value in entry.items() if not math.isfinite(value)
    ]
    if broken:
        step, name = broken[0]
        return fault(
            f"{len(broken)} values are NaN or infinite, the first {name} at step {step}",
            "take a checkpoint from before, lower the learning rate, look at the reward function",
            values=len(broken),
            first_step=step,
        )
    return ok(f"{len(log.entries)} steps, {len(log.names)} metrics, all finite", steps=len(log.entries))


@rule("do groups carry signal?", f"DAPO, arXiv 2503.14476, section 3.2; {TRL}")
def log_zero_signal(subject: Subject) -> Answer:
    """Average the share of groups whose rewards are all equal: their advantages are 0."""
    points = subject.log.points("frac_reward_zero_std")
    share = fmean(point.value for point in points)
    empty = sum(point.value >= 1 for point in points)
    evidence = f"{share:.0%} of the groups have equal rewards; at {empty} of {len(points)} steps all of them"
    numbers = {"share": share, "steps_without_signal": empty, "steps": len(points)}
    if share >= DEAD:
        return fault(evidence, "choose prompts of the base's pass rate between 0 and 1, or larger groups", **numbers)
    if share >= MOSTLY_DEAD:
        return note(
            evidence, "filter prompts by the base's pass rate, or draw groups anew (dynamic sampling)", **numbers
        )
    return ok(evidence, **numbers)


@rule("does entropy stay?", "Cui et al. 2025, arXiv 2505.22617; DAPO, arXiv 2503.14476, section 3.1")
def log_entropy(subject: Subject) -> Answer:
    """Compare the last window of token entropy with the first."""
    values = subject.log.values("entropy")
    first, last = _ends(values)
    left = last / first if first > 0 else 0.0
    evidence = f"from {first:.3g} to {last:.3g} nats, {left:.0%} left"
    numbers = {"first": first, "last": last, "left": left}
    if left < ENTROPY_LEFT:
        return fault(evidence, "raise the upper clip (epsilon_high), lower the rate, stop earlier", **numbers)
    if left < ENTROPY_LOW:
        return note(evidence, "look at pass@k beside pass@1: diversity pays for accuracy", **numbers)
    return ok(evidence, **numbers)


@rule("how many tokens are clipped, on which side?", f"DAPO, arXiv 2503.14476, section 3.1; {TRL}")
def log_clip(subject: Subject) -> Answer:
    """Average the share of tokens that the lower and the upper bound cut."""
    log = subject.log
    if {"clip_ratio/low_mean", "clip_ratio/high_mean"} <= log.names:
        low, high = (fmean(log.values(f"clip_ratio/{side}_mean")) for side in ("low", "high"))
        evidence, clipped = f"{low:.2%} of the tokens at the lower bound, {high:.2%} at the upper", low + high
        numbers = {"low": low, "high": high}
    else:
        clipped = fmean(log.values("clip_ratio/region_mean"))
        evidence, numbers = f"{clipped:.2%} of the tokens; the log does not say on which side", {"region": clipped}
    if clipped > CLIPPED:
        return fault(evidence, "lower the learning rate, or make fewer updates from one batch", **numbers)
    if clipped == 0:
        return ok(f"{evidence}: one update a batch, or clipping never acts", **numbers)
    return ok(evidence, **numbers)


@rule(
    "is the KL to the reference 0 at the first step?", "DeepSeekMath, arXiv 2402.03300, eq. 4; Schulman 2020, kl-approx"
)
def log_kl_start(subject: Subject) -> Answer:
    """Look at the KL before the first update: policy and reference are the same weights."""
    first = _kl(subject)[0]
    if first.step > 1:
        raise LacksData(f"the KL at step 1: the log begins at step {first.step} (logging_steps=1)")
    if abs(first.value) > KL_START:
        return fault(
            f"{first.value:.3g} nats at step 1",
            "the reference is not what training started from: a residual base with the adapter off, dropout, a"
            " rollout dtype",
            kl=first.value,
        )
    return ok(f"{first.value:.2g} nats at step 1", kl=first.value)


@rule(
    "is the KL estimate one that cannot be negative?",
    "Schulman 2020, joschu.net/blog/kl-approx.html; DeepSeekMath, eq. 4",
)
def log_kl_estimator(subject: Subject) -> Answer:
    """Look for negative values: GRPO's estimate (k3) is never below 0, a mean log-ratio (k1) may be."""
    values = [point.value for point in _kl(subject)]
    lowest, numbers = min(values), {"min": min(values), "max": max(values), "last": values[-1]}
    if lowest < -KL_START:
        return note(
            f"down to {lowest:.3g}: a k1 estimate, or one over other tokens",
            "name the estimator; k1 in the loss has no gradient towards the reference",
            **numbers,
        )
    return ok(f"never below 0, at most {max(values):.3g} nats, as k3", **numbers)


@rule("do completions end by themselves?", f"DAPO, arXiv 2503.14476, section 3.4; {TRL}")
def log_truncation(subject: Subject) -> Answer:
    """Average the share of completions that are cut at the length limit, at the start and at the end."""
    values = subject.log.values("completions/clipped_ratio")
    first, last = _ends(values)
    evidence = f"{first:.0%} cut at the start, {last:.0%} at the end"
    if "completions/mean_length" in subject.log.names:
        evidence += "; mean length {:.0f} to {:.0f} tokens".format(
            *_ends(subject.log.values("completions/mean_length"))
        )
    numbers = {"first": first, "last": last, "mean": fmean(values)}
    if last > TRUNCATED or fmean(values) > TRUNCATED:
        return fault(evidence, "raise max_completion_length; a cut answer is scored as none", **numbers)
    if last > OFTEN_TRUNCATED:
        return note(
            evidence, "raise max_completion_length, or mask cut completions (mask_truncated_completions)", **numbers
        )
    return ok(evidence, **numbers)


@rule("do rollout engine and trainer agree?", f"Yao et al. 2025, fengyao.notion.site/off-policy-rl; {TRL}")
def log_mismatch(subject: Subject) -> Answer:
    """Average the difference of the log-probabilities that sampling and training give the same tokens."""
    log = subject.log
    if "sampling/sampling_prob_difference/mean" in log.names:  # verl logs probabilities
        values = log.values("sampling/sampling_prob_difference/mean")
        unit = "of probability"
    else:
        values = log.values("sampling/sampling_logp_difference/mean")
        unit = "nats"
    mean, last = fmean(values), _ends(values)[1]
    evidence = f"{mean:.3g} {unit} a token on average, {last:.3g} at the end"
    numbers = {"mean": mean, "last": last, "max": max(values)}
    if mean > LARGE_MISMATCH or last > LARGE_MISMATCH:
        return fault(evidence, "sync the weights, sample in the trainer's dtype, use importance sampling", **numbers)
    if mean > MISMATCH or last > MISMATCH:
        return note(evidence, "correct with truncated importance sampling, and watch its growth", **numbers)
    return ok(evidence, **numbers)


@rule("did the run collapse?", "the collapse rule of this project; Cui et al. 2025, arXiv 2505.22617")
def log_collapse(subject: Subject) -> Answer:
    """Apply the project's own rule to windows of steps, with a 0/1 reward in the place of the verifier's verdicts."""
    log = subject.log
    rewards = log.points("reward")
    if len(rewards) < 2 * WINDOW:
        raise LacksData(
            f"{2 * WINDOW} logged steps: the rule compares windows of {WINDOW}, and there are {len(rewards)}"
        )
    if not all(0 <= point.value <= 1 for point in rewards):
        raise LacksData("a reward within 0 and 1, or an accuracy")
    found = collapse([_record(entry) for entry in log.entries], completions_per_batch=int(_batch(subject) or 16))
    if found is not None and found.kind == "accuracy":
        return fault(
            f"the reward fell at step {found.step} and stayed low for five windows",
            "report the last value and not the peak; lower the learning rate",
            step=found.step,
        )
    first, last = _ends([point.value for point in rewards])
    return ok(f"reward {first:.3g} at the start, {last:.3g} at the end", first=first, last=last)


@rule("how many completions make a step, and in which groups?", "DeepSeekMath, arXiv 2402.03300; TRL's GRPOConfig")
def log_batch(subject: Subject) -> Answer:
    """Count the completions and the prompts of a step, in logged completions."""
    steps: dict[int, list[str]] = {}
    for completion in subject.sampled:
        steps.setdefault(completion.step, []).append(completion.prompt)
    prompts = next(iter(steps.values()))
    groups = len(set(prompts))
    size = len(prompts) / groups
    numbers = {"completions": len(prompts), "prompts": groups, "group_size": size}
    evidence = f"{len(prompts)} completions of {groups} prompts, {size:g} a group, at the first logged step"
    if size < 2:
        return fault(evidence, "a group of one has no advantage: set num_generations to 2 or more", **numbers)
    if groups < 4:
        return note(evidence, "few prompts a step make a noisy gradient; state it with the learning rate", **numbers)
    return ok(evidence, **numbers)


@rule("did the learning rate do what a schedule does?", "TRL's GRPOConfig and transformers' get_scheduler")
def log_learning_rate(subject: Subject) -> Answer:
    """Look at the largest and the last learning rate."""
    values = subject.log.values("learning_rate")
    numbers = {"first": values[0], "max": max(values), "last": values[-1]}
    if max(values) <= 0:
        return fault(f"0 at all {len(values)} logged steps: nothing was trained", "look at the schedule", **numbers)
    if values[-1] < 0.01 * max(values):
        return note(
            f"at most {max(values):.3g}, {values[-1]:.2g} at the end: decayed to 0",
            "do not continue from here or read a plateau as convergence: the schedule ended it",
            **numbers,
        )
    return ok(f"at most {max(values):.3g}, {values[-1]:.3g} at the end", **numbers)


@rule("does the gradient norm spike?", "Chowdhery et al. 2022, PaLM, arXiv 2204.02311, section 5.1")
def log_grad_norm(subject: Subject) -> Answer:
    """Count norms above the trailing median by six deviations."""
    norms = subject.log.values("grad_norm")
    count, numbers = spikes(norms), {"spikes": spikes(norms), "max": max(norms), "steps": len(norms)}
    if not any(norms):
        return fault(f"0 at all {len(norms)} logged steps", "look at the rewards: nothing is learned", **numbers)
    if count > max(1, SPIKES * len(norms)):
        return note(
            f"{count} spikes in {len(norms)} steps, at most {max(norms):.3g}",
            "clip gradients, or lower the rate",
            **numbers,
        )
    return ok(f"{count} spikes in {len(norms)} steps, at most {max(norms):.3g}", **numbers)


def _kl(subject: Subject) -> list[Point]:
    if "kl" not in subject.log.names:
        raise LacksData("the metric kl: with beta = 0 (TRL's default) no KL is computed")
    return subject.log.points("kl")


def _ends(values: list[float]) -> tuple[float, float]:
    """Return the means of the first and of the last window, at most a third of the values."""
    window = max(1, min(WINDOW, len(values) // 3))
    return fmean(values[:window]), fmean(values[-window:])


def _batch(subject: Subject) -> float | None:
    return subject.log.settings.get("train_batch_size")


def _record(entry: dict[str, float]) -> StepRecord:
    """Return what the collapse rule reads of an entry; entropy and truncation have rules of their own."""
    reward = entry.get("reward")
    return StepRecord(
        step=int(entry["step"]), accuracy=reward if reward is not None and math.isfinite(reward) else None
    )
