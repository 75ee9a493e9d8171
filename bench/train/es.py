"""The `es` signal: evolution strategies on whatever tensors a method trains, without a backward pass.

A simplified natural evolution strategy as in Qiu et al. 2025, arXiv 2509.24372: Gaussian perturbations of fixed size,
rebuilt from their seeds, rewards z-scored over the population, plain ascent along the estimate with 1 / sigma part of
the learning rate. Mirrored pairs, and ranks as the other way of scoring, are from Salimans et al. 2017, arXiv
1703.03864. How such updates lie to GRPO's is the question of arXiv 2604.01499.

What is ours: tensors are put back from a copy, not by subtraction, and only what the method trains is perturbed, such
as the entries of a mask or the factors of an adapter.
"""

import random
import time
from statistics import fmean, pstdev
from typing import Any

import torch
from transformers import TrainerControl, TrainerState, get_constant_schedule_with_warmup

from rlvr_bench.experiment.signals import EsSettings
from rlvr_bench.record.schema import StepRecord
from rlvr_bench.train.drawing import draw
from rlvr_bench.train.ledger import Shape
from rlvr_bench.train.pay import pay
from rlvr_bench.train.perturbation import estimate, perturb, shaped
from rlvr_bench.train.seeds import derive
from rlvr_bench.train.shadowed import shadow
from rlvr_bench.train.step_guard import StepGuard
from rlvr_bench.train.step_record import recorder
from rlvr_bench.train.training_run import StepListener, Trained, TrainingRun, begin


class Population:
    """Perturbed models around the present one, each scored on the same problems."""

    optimizer = None
    """Of the method there is none: no gradient flows."""
    update_backend = "none"

    def __init__(self, run: TrainingRun[EsSettings]) -> None:
        self._run = run
        self._shape = Shape.of(run.reference)
        self._tensors = [tensor for _, tensor in run.handle.trainable()]
        groups = run.handle.parameter_groups(run.learning_rate, run.settings.weight_decay)
        self._ascent = torch.optim.SGD(groups, lr=run.learning_rate)
        self._schedule = get_constant_schedule_with_warmup(self._ascent, run.settings.warmup_steps)
        self._accuracies: list[float] = []

    def evaluate(self, step: int) -> dict[str, float]:
        """Score the population of a step, leave the estimate as gradients, and return what is recorded of it."""
        settings = self._run.settings
        first = derive(self._run.seed, "perturbation") + step * settings.pairs
        seeds = range(first, first + settings.pairs)
        places = self._places(step)
        centre = [tensor.detach().clone() for tensor in self._tensors]
        self._accuracies = []
        rewards = []
        for number, (seed, sign) in enumerate((seed, sign) for seed in seeds for sign in (1, -1)):
            perturb(self._tensors, centre, seed, sign * settings.sigma)
            rewards.append(self._reward(places, step, number))
        with torch.no_grad():
            for tensor, before in zip(self._tensors, centre, strict=True):
                tensor.copy_(before)
        for tensor, rise in zip(
            self._tensors, estimate(self._tensors, seeds, shaped(rewards, settings.shaping)), strict=True
        ):
            tensor.grad = rise.neg_()  # an optimizer descends
        spread = pstdev(rewards)
        return {
            "reward": fmean(rewards),
            "reward_std": spread,
            "frac_reward_zero_std": float(spread == 0),
            "population/reward_max": max(rewards),
            "population/accuracy": fmean(self._accuracies),
            "grad_norm": float(torch.nn.utils.get_total_norm([t.grad for t in self._tensors if t.grad is not None])),
            "learning_rate": self._schedule.get_last_lr()[0],
        }

    def ascend(self) -> None:
        """Move along the estimate."""
        self._ascent.step()
        self._schedule.step()

    def forget(self) -> None:
        """Free the estimate."""
        self._ascent.zero_grad()

    def _places(self, step: int) -> list[int]:
        seed = derive(self._run.seed, "data") + step
        return random.Random(seed).sample(range(len(self._run.problems)), self._run.settings.prompts_per_batch)

    def _reward(self, places: list[int], step: int, number: int) -> float:
        """Return the mean reward of the model as it is now; all members of a step meet the same noise of sampling."""
        run, settings = self._run, self._run.settings
        temperature = 0.0 if settings.decoding == "greedy" else settings.temperature
        drawn = draw(run, places, 1, derive(run.seed, "rollout") + step, temperature)
        run.meter.generate(self._shape, drawn.prompts, drawn.token_ids)
        self._accuracies.append(drawn.accuracy)
        batch = step * settings.population + number
        return fmean(pay(run, drawn.texts, drawn.problems, drawn.verdicts, drawn.truncated, batch))


def train(run: TrainingRun[EsSettings], listen: StepListener) -> tuple[list[StepRecord], Trained]:
    """Train a handle in place; see `rlvr.train`. What is attested of the optimizer is that there is none."""
    settings, steps = run.settings, list[StepRecord]()
    begin(run, settings.steps)
    population, guard, sink = Population(run), StepGuard(run), recorder(run, steps, listen)
    arguments: Any = None  # the guard, made for TRL's trainers, reads nothing of them
    state, control = TrainerState(), TrainerControl()
    while state.global_step < settings.steps and not control.should_training_stop:
        step, seen = state.global_step, dict[str, float | None]()
        guard.on_step_begin(arguments, state, control)
        started = time.perf_counter()
        if step % settings.shadow_every == 0 or step + 1 == settings.steps:
            seen = shadow(run, step)
        seen |= population.evaluate(step)
        seen["seconds/rollout"] = time.perf_counter() - started
        guard.on_pre_optimizer_step(arguments, state, control, model=run.handle.model)
        population.ascend()
        guard.on_optimizer_step(arguments, state, control)
        population.forget()
        state.global_step += 1
        guard.on_step_end(arguments, state, control)
        sink({"step": state.global_step, **seen, **guard.last})
    return steps, population
