"""How much of a gain the base has by a better prompt alone."""

from dataclasses import replace

from rlvr_bench.leaderboard.row import test_score
from rlvr_bench.record.schema import Score
from rlvr_bench.stats.hierarchical import Value
from rlvr_bench.studies import contrasts
from rlvr_bench.studies.errors import NoEvidence
from rlvr_bench.studies.evidence import Evidence, EvidenceRun, Where
from rlvr_bench.studies.finding import Finding, mean_interval
from rlvr_bench.studies.rewards.halves import gain_of


def prompt_range(evidence: Evidence, runs: Where) -> Finding:
    """The untrained base's accuracy under its best prompt style minus that under its worst, problems paired.

    Best and worst are chosen on the same problems, which flatters the difference a little.
    """
    run = _with_prompts(evidence, runs)[0]
    by_accuracy = sorted(_prompts(run), key=lambda score: score.greedy or 0.0)
    pairs = zip(by_accuracy[-1].greedy_outcomes, by_accuracy[0].greedy_outcomes, strict=True)
    return Finding.of(mean_interval([int(best) - int(worst) for best, worst in pairs]), [run])


def shrinkage(evidence: Evidence, runs: Where) -> Finding:
    """Share of the gain that is gone when the base may use its best prompt style: (best - same prompt) / gain.

    Raises:
        NoEvidence: there is no gain beyond noise, of which a share could be gone.
    """
    pairs = [(run, gain) for run in _with_prompts(evidence, runs) if (gain := gain_of(run)) is not None]
    gains = contrasts.over_seeds(pairs)
    gone = contrasts.over_seeds([(run, Value(_gone(run))) for run, _ in pairs]).estimate
    gains = replace(gains, note="" if gone else "the base has no better prompt style than that of the runs")
    if gains.low is None or gains.high is None:
        if gains.estimate <= 0:
            raise NoEvidence(f"there is no gain to lose: {gains.estimate:.3f}")
        return replace(gains, estimate=gone / gains.estimate, tail=None, errors=None)
    if gains.low <= 0:
        raise NoEvidence(f"there is no gain to lose: {gains.estimate:.3f} [{gains.low:.3f}, {gains.high:.3f}]")
    low, high = gone / gains.high, gone / gains.low
    return replace(gains, estimate=gone / gains.estimate, low=low, high=high, tail=None, errors=None)


def _gone(run: EvidenceRun) -> float:
    """Return the base's accuracy under its best prompt style minus that under the run's own; it has no seeds."""
    base = test_score(run.record, "base")
    same = 0.0 if base is None or base.greedy is None else base.greedy
    return max(same, *(score.greedy or 0.0 for score in _prompts(run))) - same


def _prompts(run: EvidenceRun) -> list[Score]:
    """Return the base's scores under each prompt style."""
    return [Score.model_validate(score) for score in (run.record.measurement("prompt_range") or {}).values()]


def _with_prompts(evidence: Evidence, runs: Where) -> list[EvidenceRun]:
    measured = [run for run in evidence.select(runs) if run.record.measurement("prompt_range")]
    if not measured:
        raise NoEvidence("no record has the base's scores by prompt style; set measurements.prompt_range = true")
    return measured
