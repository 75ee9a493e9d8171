"""Tasks of this package as lm-evaluation-harness tasks: same problems, prompts and verifier, scored by lm-eval.

`lm_eval_task` is for our evaluator, the functions after it are what the YAML files name; both go by `_template.yaml`.
Completions end at the end-of-sequence token and at the task's own stop texts only, as in training: another stop text
would hide what a model goes on to write.
Chat tasks need lm-eval's `apply_chat_template`. Few-shot prompts are left out.
"""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import datasets
from lm_eval.api.task import ConfigurableTask
from lm_eval.tasks._yaml_loader import load_yaml

from rlvr_bench.tasks.errors import TaskError
from rlvr_bench.tasks.problem import Problem, Split, Verdict
from rlvr_bench.tasks.registry import create
from rlvr_bench.tasks.task import Task

_TEMPLATE = Path(__file__).with_name("_template.yaml")

Document = Mapping[str, Any]


def lm_eval_task(
    task: Task, split: Split, max_new_tokens: int, style: str = "task", limit: int | None = None
) -> ConfigurableTask:
    """`task` for `lm_eval.evaluate(lm, {task.config.task: task})` or `simple_evaluate(tasks=[task])`.

    `limit` takes the first problems of the split. Raises TaskError if the split is empty or the style unknown.
    """
    problems = task.problems(split)[:limit]
    if not problems:
        raise TaskError(f"Task {task.name!r} has no problems in split {split!r}: choose another split.")
    by_id = {problem.id: problem for problem in problems}

    def score(document: Document, results: list[str]) -> dict[str, float]:
        return _metrics(task.verify(results[0], by_id[document["id"]]))

    template = load_yaml(_TEMPLATE)
    return ConfigurableTask(
        config={
            **template,
            "task": f"rlvr_bench_{task.name}",
            "custom_dataset": lambda **_: {"test": _table(task, problems, style)},
            "process_results": score,
            "generation_kwargs": {
                **template["generation_kwargs"],
                "max_gen_toks": max_new_tokens,
                "until": list(task.stop),
            },
        }
    )


def documents(
    settings: Mapping[str, Any], style: str = "task", split: Split = "test", **_: object
) -> dict[str, datasets.Dataset]:
    """The documents of a task, for YAML files: `settings` as `registry.create` takes them, style and split from
    `dataset_kwargs` or from lm-eval's `--metadata`. Whatever else lm-eval passes is left alone.
    """
    task = _created(json.dumps(dict(settings), sort_keys=True))
    return {"test": _table(task, task.problems(split), style, settings)}


def process_results(document: Document, results: list[str]) -> dict[str, float]:
    """The metrics of one completion, for YAML files."""
    problem = Problem(document["question"], document["answer"], document["family"], document["level"])
    return _metrics(_created(document["settings"]).verify(results[0], problem))


@cache
def _created(settings: str) -> Task:
    return create(json.loads(settings))


def _table(
    task: Task, problems: list[Problem], style: str, settings: Mapping[str, Any] | None = None
) -> datasets.Dataset:
    """One document per problem. `settings` is there for tasks that have to be found again from a document."""
    return datasets.Dataset.from_list(
        [
            {
                "id": problem.id,
                "prompt": _user_text(task.prompt(problem, style)),
                "question": problem.question,
                "answer": problem.answer,
                "family": problem.family,
                "level": problem.level,
                "settings": json.dumps(dict(settings or {}), sort_keys=True),
            }
            for problem in problems
        ]
    )


def _user_text(prompt: str | list[dict[str, str]]) -> str:
    """Plain prompts as they are; of chat prompts the user's message, which lm-eval puts into the chat template."""
    return prompt if isinstance(prompt, str) else prompt[-1]["content"]


def _metrics(verdict: Verdict) -> dict[str, float]:
    return {
        "correct": float(verdict.correct),
        "unparsed": float(verdict.unread),
        "verifier_error": float(verdict.reason == "error"),
    }
