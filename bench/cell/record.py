"""The record of a cell that ran to its end: what was trained, how it went, what it took, and what was found."""

from typing import Any

from rlvr_bench.cell.attach import AttachedMethod
from rlvr_bench.cell.training import FinishedTraining
from rlvr_bench.evaluate.scores import Scores
from rlvr_bench.experiment.cell import Cell
from rlvr_bench.generate import matmul
from rlvr_bench.generate.backend import engine_of
from rlvr_bench.methods.attestation import Attestation
from rlvr_bench.record.environment import capture
from rlvr_bench.record.schema import Cause, Cost, RunRecord, Stability, Status, StepRecord
from rlvr_bench.train import agreement, collapse, processes, rlvr, sharded, stability
from rlvr_bench.train.step_record import WITHIN_STEP, peak_memory_bytes

MISMATCH_FIX = 'set signal.rollout_backend = "hf" and signal.update_backend = "padded", transformers\' own forward pass'


def make_record(
    cell: Cell,
    method: AttachedMethod,
    training: FinishedTraining,
    scores: tuple[Scores, Scores],
    measurements: dict[str, Any],
    seconds: dict[str, float],
) -> RunRecord:
    """Return the record of a cell.

    Args:
        scores: of the base and of the tuned model; the latter has none if its training was stopped.
        measurements: results by name, JSON-able.
        seconds: wall-clock seconds by stage.
    """
    base, tuned = scores
    own = str(cell.task["name"])
    start = collapse.sampled_start(
        cell.evaluate.model_dump(), cell.signal.model_dump(), list(base.get(own, {}).values())
    )
    final = collapse.final_ending(own, {"base": base, "tuned": tuned})
    stable = stability.summarise(training.steps, cell.signal.sampled_at_once, start, final)
    attested = method.attested.model_copy(
        update={
            "rollout_mismatch": agreement.mean_mismatch(training.steps),
            "first_kl": agreement.first_kl(training.steps),
        }
    )
    status, cause = _verdict(attested, _disagreements(cell, attested, training), stable)
    if training.stopped and status != "invalid":
        status, cause = "stopped", _stopped(cell, training)
    meter = training.run.meter
    return RunRecord(
        cell=cell.model_dump(mode="json"),
        cell_id=cell.id,
        comparison=cell.comparison,
        status=status,
        cause=cause,
        attestation=attested.model_dump(mode="json"),
        accuracy={"base": base} | ({"tuned": tuned} if tuned else {}),
        measurements=measurements,
        rollout=rlvr.rollout_record(method.rollouts.name, training.trainer.update_backend, training.steps),
        stability=stable,
        cost=Cost(
            seconds=seconds | _inside_training(training.steps),
            tokens=meter.generated_tokens,
            peak_memory_bytes=peak_memory_bytes(),
        ),
        ledger=meter.ledger(cell.signal),
        reward_model=meter.reward_model,
        environment=capture().model_copy(
            update={
                "float32_products": matmul.library(),
                "processes": processes.size(),
                "sharded": sharded.asked(),
                "rollout_engine": engine_of(method.rollouts),
            }
        ),
    )


def _disagreements(cell: Cell, attested: Attestation, training: FinishedTraining) -> list[str]:
    """Return how rollouts and trainer were not the same policy, where no intervention wants that."""
    if any(each.settings.trains_off_policy for each in training.run.interventions):
        return []
    # A supervised first step is taken before the policy is sampled: only GRPO samples the policy as it starts.
    starts_as_base = attested.identity_expected and cell.signal.samples_first
    return agreement.disagreements(training.steps, cell.signal.precision, starts_as_base=starts_as_base)


def _verdict(attested: Attestation, disagreements: list[str], stable: Stability) -> tuple[Status, Cause | None]:
    # A run of another method than was asked for says nothing, however it went; so that comes first. Neither does one
    # that learned from samples of another policy than its own.
    if not attested.valid:
        fix = "compare attestation.requested with attestation.realised in run.json and mend the method"
        return "invalid", Cause(type="AttestationError", message="; ".join(attested.problems), fix=fix)
    if disagreements:
        return "invalid", Cause(type="PolicyMismatch", message="; ".join(disagreements), fix=MISMATCH_FIX)
    if stable.collapse_rule is not None:
        return "collapsed", collapse.cause(stable)
    return "done", None


def _stopped(cell: Cell, training: FinishedTraining) -> Cause:
    last = training.steps[-1].step
    message = (
        f"stopped at step {last} of {cell.signal.steps}: no completion was right over {cell.stop_dead:.0%} of them"
    )
    return Cause(type="Dead", message=message)


def _inside_training(steps: list[StepRecord]) -> dict[str, float]:
    """Seconds of the parts of training, which the stage "train" holds in all."""
    parts = {part: part for part in WITHIN_STEP} | {"train": "update"}
    return {
        f"train/{name}": sum(getattr(step, f"seconds_{part}", None) or 0.0 for step in steps)
        for part, name in parts.items()
        if part != "measure" or any(hasattr(step, "seconds_measure") for step in steps)
    }
