"""The `rft` signal: supervised fine-tuning on the model's own verified samples, iterated.

Sample with the current policy, keep what the verifier accepts, imitate it, sample again (rejection sampling
fine-tuning: Yuan et al. 2023, arXiv 2308.01825; iterated as in STaR, Zelikman et al. 2022, arXiv 2203.14465, but going
on from the last weights). On-policy data without a policy gradient: what RLVR has to beat.
"""

import random
from collections import defaultdict

import torch

from rlvr_bench.experiment.signals import RftSettings
from rlvr_bench.record.schema import StepRecord
from rlvr_bench.train.drawing import Draw, draw
from rlvr_bench.train.ledger import Shape
from rlvr_bench.train.seeds import derive
from rlvr_bench.train.step_record import recorder
from rlvr_bench.train.supervised import Example, example, fit
from rlvr_bench.train.training_run import StepListener, Trained, TrainingRun, begin


class _Untrained:
    """Stands for the trainer of a run that never found a right completion, and so never made a step."""

    update_backend = "padded"

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        self.optimizer = optimizer


def train(run: TrainingRun[RftSettings], listen: StepListener) -> tuple[list[StepRecord], Trained]:
    """Train a handle in place; see `rlvr.train`. An iteration in which nothing is right makes no step."""
    settings, shape = run.settings, Shape.of(run.reference)
    begin(run, settings.steps)
    trainer: Trained = _Untrained(run.handle.create_optimizer(run.learning_rate, settings.weight_decay, settings.betas))
    steps: list[StepRecord] = []
    sink = recorder(run, steps, listen)
    for iteration in range(settings.iterations):
        seed = derive(run.seed, "rollout") + iteration
        places = random.Random(seed).sample(range(len(run.problems)), settings.prompts)
        drawn = draw(run, places, settings.group_size, seed)
        run.meter.generate(shape, drawn.prompts, drawn.token_ids)
        run.meter.verdicts += len(drawn.verdicts)
        examples = verified(run, places, drawn)
        if examples:
            trainer = fit(run, examples, settings.steps_of(iteration), sink)
        if run.meter.ends(settings) or (steps and steps[-1].non_finite):
            break
    return steps, trainer


def verified(run: TrainingRun[RftSettings], places: list[int], drawn: Draw) -> list[Example]:
    """Return the first different correct completions of every problem, at most `keep_per_problem` of each.

    `drawn` holds `group_size` completions of every problem of `places`, one problem after the other.
    """
    examples: dict[int, dict[str, Example]] = defaultdict(dict)
    for row, (text, verdict) in enumerate(zip(drawn.texts, drawn.verdicts, strict=True)):
        place = places[row // run.settings.group_size]
        own = examples[place]
        if verdict.correct and not drawn.truncated[row] and len(own) < run.settings.keep_per_problem:
            own.setdefault(text, example(run, place, text))
    return [kept_example for own in examples.values() for kept_example in own.values()]
