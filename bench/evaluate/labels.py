"""Majority labels: what most samples of the untrained base answer to each training problem.

Fixed before training and shared by all cells that ask for the same ones (as in arXiv 2506.10947; the rewards that use
them are in `tasks.rewards`). Addressed by content, like the base's scores; of two processes that need the same
labels one computes them and the other waits.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version

from pydantic import TypeAdapter

from rlvr_bench.evaluate.completion import Graded
from rlvr_bench.evaluate.sampling import grade_problems
from rlvr_bench.experiment.cell import Cell
from rlvr_bench.experiment.settings import EvaluateSettings
from rlvr_bench.generate import matmul
from rlvr_bench.generate.backend import Backend
from rlvr_bench.models.base import LoadedBase
from rlvr_bench.record.cache import cache_dir, computed_once
from rlvr_bench.tasks.rewards import Label, LabelRequest, label_request
from rlvr_bench.tasks.task import Task

_CODE_VERSION = 2
_CHUNK = 32
_LABELS = TypeAdapter(dict[str, Label])

Labels = dict[str, Label]
"""By problem id; problems of which no sample could be read are left out."""
Progress = Callable[[int, int], None]
"""Takes how many of all problems are labelled."""


@dataclass(frozen=True, slots=True)
class LabelSource:
    """What labels follow from: the model, its problems, how they are asked and how often."""

    base: LoadedBase
    task: Task
    style: str
    max_new_tokens: int
    backend: Backend
    request: LabelRequest

    @property
    def identity(self) -> str:
        """16 hex digits of the hash of all that changes the labels, library versions included."""
        content = {
            "code": _CODE_VERSION,
            "libraries": {name: version(name) for name in ("torch", "transformers")},
            "base": self.base.fingerprint,
            "task": self.task.fingerprint(),
            "style": self.style,
            "max_new_tokens": self.max_new_tokens,
            "backend": self.backend.name,
            "products": matmul.library(),
            "samples": self.request.samples,
            "seed": self.request.seed,
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def cell_labels(
    cell: Cell, base: LoadedBase, task: Task, backend: Backend, progress: Progress = lambda done, total: None
) -> Labels:
    """The labels that the reward of a cell asks for, none if it asks for none; see `majority_labels`."""
    request = label_request(cell.paid_reward)
    if request is None:
        return {}
    source = LabelSource(base, task, cell.evaluate.prompt, cell.signal.max_new_tokens, backend, request)
    return majority_labels(source, progress)


def majority_labels(source: LabelSource, progress: Progress = lambda done, total: None) -> Labels:
    """The labels of all training problems, from the cache if they are there.

    Raises:
        RecordError: the cache cannot be written.
    """
    return computed_once(
        cache_dir() / "labels" / f"{source.identity}.json",
        _LABELS.validate_json,
        lambda: _vote(source, progress),
        lambda labels: _LABELS.dump_json(labels, indent=1).decode(),
    )


def _vote(source: LabelSource, progress: Progress) -> Labels:
    settings = EvaluateSettings(
        samples=source.request.samples,
        temperature=1.0,
        seed=source.request.seed,
        max_new_tokens=source.max_new_tokens,
        prompt=source.style,
    )
    model, tokenizer = source.base.model, source.base.tokenizer
    problems = source.task.problems("train")
    labels: Labels = {}
    for start in range(0, len(problems), _CHUNK):
        chunk = problems[start : start + _CHUNK]
        graded = grade_problems(model, tokenizer, source.task, chunk, settings, source.backend)
        for place, problem in enumerate(chunk):
            voted = majority(graded[place * settings.samples : (place + 1) * settings.samples])
            if voted is not None:
                labels[problem.id] = voted
        progress(start + len(chunk), len(problems))
    return labels


def majority(samples: list[Graded]) -> Label | None:
    """The most frequent answer of a problem's samples, of equally frequent ones the first; None if none was read."""
    votes = Counter(sample.verdict.parsed for sample in samples if sample.verdict.parsed is not None)
    if not votes:
        return None
    answer, count = votes.most_common(1)[0]
    correct = next(sample.verdict.correct for sample in samples if sample.verdict.parsed == answer)
    return Label(answer, count, len(samples), correct)
