"""Trains scorers on one model and task and compares them, offline and live: the document of `think --train`."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from rlvr_bench.console.progress import Watcher
from rlvr_bench.plugins.suggestion import did_you_mean
from rlvr_bench.record.environment import capture
from rlvr_bench.thinking.documents import SCHEMA_VERSION
from rlvr_bench.thinking.errors import ThinkingError
from rlvr_bench.thinking.numbers import six_digits
from rlvr_bench.thinking.policies import policy as read_policy
from rlvr_bench.thinking.promise import Terms
from rlvr_bench.thinking.request import ThinkRequest
from rlvr_bench.thinking.study import study
from rlvr_bench.thinking.subject import Subject
from rlvr_bench.thinking.zoo import RECIPES


def compare_scorers(
    request: ThinkRequest,
    name: str,
    *,
    scorers: Sequence[str],
    other_tasks: Sequence[Mapping[str, Any]],
    other_models: Sequence[str],
    policies: Sequence[str],
    terms: Terms | None,
    watcher: Watcher,
) -> dict[str, Any]:
    """Compare scorers and policies on the requested model and task, and on others.

    Args:
        request: the model and the task.
        name: of the comparison.
        scorers: keys of `RECIPES`; none means all.
        other_tasks: settings of tasks for transfer.
        other_models: models for transfer, of the same vocabulary.
        policies: run live; none means nine of all kinds.
        terms: what is to be promised of every kind of policy, and compared with what the test problems show.
        watcher: has a bar while it lasts.

    Raises:
        ThinkingError: a scorer or policy that there is not, or a model of another vocabulary.
    """
    if unknown := [name for name in scorers if name not in RECIPES]:
        raise ThinkingError(f"unknown scorer {unknown[0]!r}{did_you_mean(unknown[0], RECIPES)}")
    live_policies = [read_policy(text) for text in policies]
    started = time.perf_counter()
    with watcher.bar("comparing scorers") as report:
        subject = request.subject()
        transfers = [request.subject(task=task) for task in other_tasks]
        transfers += [_same_vocabulary(subject, request.subject(model=model)) for model in other_models]
        compared = study(subject, list(scorers) or list(RECIPES), transfers, live_policies, terms, report)
    document = {
        "schema_version": SCHEMA_VERSION,
        "name": name,
        "base": request.model,
        "model": request.model,
        "task": dict(request.task),
        "settings": subject.settings.model_dump(mode="json"),
        **compared,
        "seconds": time.perf_counter() - started,
        "environment": capture().model_dump(mode="json"),
    }
    rounded: dict[str, Any] = six_digits(document)
    return rounded


def _same_vocabulary(subject: Subject, other: Subject) -> Subject:
    if subject.asker.tokenizer.get_vocab() != other.asker.tokenizer.get_vocab():
        raise ThinkingError(f"{other.name} has another vocabulary than {subject.name}; choose a model that shares it")
    return other
