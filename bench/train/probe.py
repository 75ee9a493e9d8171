"""Whether rollouts and trainer are the same policy: a check on fixed prompts that stops a run on drift.

A rollout backend with stale or wrong weights, or a scorer with a wrong mask, trains on samples of another policy. Both
sides give the log-probabilities of the same tokens, so that the check needs no tolerance for sampling.
"""

from typing import Any

import torch
from torch import nn

from rlvr_bench.generate.sampling_params import SamplingParams
from rlvr_bench.train import scorer
from rlvr_bench.train.scorer import Rows
from rlvr_bench.train.seeds import derive
from rlvr_bench.train.training_run import TrainingRun

PROMPTS = 4
MAX_NEW_TOKENS = 32
TOLERANCE = {"fp32": 1e-3, "bf16": 1.0}
"""Largest difference of a token's log-probability, in nats, that rounding explains: float32 was seen up to 1e-4."""


class DriftError(RuntimeError):
    """Rollout and trainer disagree; the message says by how much and what to try."""


class Probe:
    """Compares a run's backend with its trainer on the first training prompts."""

    def __init__(self, run: TrainingRun[Any], eos_token_ids: frozenset[int]) -> None:
        self._run = run
        self._prompts = run.prompt_ids[:PROMPTS]
        self._params = SamplingParams(
            max_new_tokens=min(MAX_NEW_TOKENS, run.settings.max_new_tokens),
            temperature=run.settings.temperature,
            seed=derive(run.seed, "rollout"),
            eos_token_ids=eos_token_ids,
            batch_size=len(self._prompts),
        )

    @torch.no_grad()
    def largest_difference(self, model: nn.Module, update_backend: str) -> float:
        """Return the largest difference of a log-probability in nats; the caller sets the trainer's precision.

        Raises:
            DriftError: it is larger than rounding explains.
        """
        run = self._run
        with run.handle.rollout_weights() as plain:
            sampled = run.backend.generate(plain, self._prompts, self._params)
        device = next(model.parameters()).device
        rows = Rows.of_lists(self._prompts, sampled.token_ids, device)
        trained = scorer.log_probs_of(model, rows, run.settings.temperature, update_backend)
        largest: float = max(
            abs(computed - reported)
            for row, logprobs in zip(trained.tolist(), sampled.logprobs, strict=True)
            for computed, reported in zip(row, logprobs, strict=False)
        )
        if not largest <= TOLERANCE[run.settings.precision]:  # also when it is NaN
            raise DriftError(
                f"rollout backend {run.backend.name!r} and trainer ({update_backend}) differ by {largest:.3g} nats on "
                'a token; set signal.rollout_backend = "hf" and signal.update_backend = "padded" to find which is off'
            )
        return largest
