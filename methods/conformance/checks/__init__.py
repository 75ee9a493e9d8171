"""The checks of the conformance kit, by what they look at: the start, training, the trained weights, the counts.

In: a trial, one short watched training run. Out: one sentence per problem, with the tensor and the number.
"""

from collections.abc import Mapping

from rlvr_bench.methods.conformance.checks import counting, start, training, weights
from rlvr_bench.methods.conformance.checks.check import Check, Skipped

CHECKS: Mapping[str, Check] = {
    "attestation": start.attestation,
    "declarations hold": start.declarations,
    "identity at start": start.identity,
    "gradients only where declared": training.gradients,
    "frozen base unchanged": training.frozen_base,
    "rollouts change nothing": weights.rollouts,
    "rollout weights equal the forward pass": weights.rollout_weights,
    "effective weights give the logits": weights.effective_weights,
    "save and load": weights.save_and_load,
    "the seed decides the start": start.seeds,
    "parameter count": counting.parameter_count,
    "budget": counting.meets_budget,
    "optimizer as asked": training.optimizer_as_asked,
    "KL reference is the base": start.kl_reference,
    "zero gradient changes nothing": training.zero_gradient,
    "weight decay spares the frozen": training.weight_decay,
    "no dropout": training.no_dropout,
}
"""Name -> check, in the order in which they run."""

ATTACHING = frozenset(
    {
        "declarations hold",
        "save and load",
        "the seed decides the start",
        "budget",
        "optimizer as asked",
        "zero gradient changes nothing",
        "weight decay spares the frozen",
    }
)
"""Names of the checks that attach the method anew, which takes time: two models stand for all."""

__all__ = ["ATTACHING", "CHECKS", "Check", "Skipped"]
