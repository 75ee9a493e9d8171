"""Greedy accuracy, scored by lm-eval with this package's tasks: quiet, without the network and without bootstrap."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from statistics import fmean

import lm_eval.api.task
import lm_eval.evaluator
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from rlvr_bench.evaluate.completion import Graded
from rlvr_bench.evaluate.lm import BackendLM
from rlvr_bench.experiment.settings import EvaluateSettings
from rlvr_bench.generate.backend import Backend
from rlvr_bench.tasks.lm_eval.adapter import lm_eval_task
from rlvr_bench.tasks.problem import Problem, Split, Verdict
from rlvr_bench.tasks.prompts import Prompt
from rlvr_bench.tasks.task import Task


class _Witness:
    """A task that keeps the verdicts it gives, so that lm-eval's scoring is the only one.

    lm-eval hands on texts alone; which of them were cut off is known to `lm`, in the order of the problems.
    """

    def __init__(self, task: Task, split: Split, lm: BackendLM) -> None:
        self._task, self._lm = task, lm
        self._places = {problem.id: place for place, problem in enumerate(task.problems(split))}
        self.name, self.chat, self.stop = task.name, task.chat, task.stop
        self.verdicts: dict[str, Verdict] = {}

    def problems(self, split: Split) -> list[Problem]:
        return self._task.problems(split)

    def prompt(self, problem: Problem, style: str = "task") -> Prompt:
        return self._task.prompt(problem, style)

    def verify(self, completion: str, problem: Problem, truncated: bool = False) -> Verdict:
        cut = truncated or self._lm.completions[self._places[problem.id]].truncated
        self.verdicts[problem.id] = self._task.verify(completion, problem, cut)
        return self.verdicts[problem.id]

    def follows_format(self, completion: str, truncated: bool = False) -> bool:
        return self._task.follows_format(completion, truncated)

    def completion(self, answer: str) -> str:
        return self._task.completion(answer)

    def fingerprint(self) -> str:
        return self._task.fingerprint()


def grade_greedy(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    task: Task,
    split: Split,
    settings: EvaluateSettings,
    backend: Backend,
) -> list[Graded]:
    """One greedy completion per problem of the split, in the order of its problems.

    Raises:
        TaskError: the split is empty, or the prompt style unknown.
    """
    lm = BackendLM(model, tokenizer, backend, settings.batch_size)
    witness = _Witness(task, split, lm)
    with quiet():
        # A task object, not its name: nothing is looked up on a disk or a hub.
        scored = lm_eval_task(witness, split, settings.max_new_tokens, settings.prompt)
        report = lm_eval.evaluator.evaluate(
            lm, {scored.config.task: scored}, bootstrap_iters=0, log_samples=False, apply_chat_template=task.chat
        )
    correct = fmean(verdict.correct for verdict in witness.verdicts.values())
    if abs(report["results"][scored.config.task]["correct,none"] - correct) > 1e-9:
        raise RuntimeError(f"lm-eval's accuracy of {task.name} is not that of the verdicts it was given: {correct:.4f}")
    return [
        Graded(problem, 0, 0.0, completion, witness.verdicts[problem.id])
        for problem, completion in zip(task.problems(split), lm.completions, strict=True)
    ]


@contextmanager
def quiet() -> Iterator[None]:
    """Warnings and worse only, and no progress bar over the prompts: lm-eval has no switch for it."""
    logger = logging.getLogger("lm_eval")
    level, progress = logger.level, lm_eval.api.task.tqdm
    logger.setLevel(logging.ERROR)
    lm_eval.api.task.tqdm = partial(progress, disable=True)
    try:
        yield
    finally:
        logger.setLevel(level)
        lm_eval.api.task.tqdm = progress
