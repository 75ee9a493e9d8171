"""The proof that a task can be trusted: every gold answer is accepted in every form that the prompt invites, changed
ones are not, splits share no problem, and of the data nothing was left out that is not named. Says nothing of whether
the gold answers are right.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

from rlvr_bench.tasks.datasets.data_task import DataTask
from rlvr_bench.tasks.datasets.final_answer import final_answer
from rlvr_bench.tasks.perturbations import perturbed
from rlvr_bench.tasks.problem import Problem, Split
from rlvr_bench.tasks.task import USER_SPLITS, Task

FORMS = {
    "box": (r"\boxed", r"\boxed{%s}"),
    "####": ("####", "#### %s"),
    "phrase": ("answer is", "The answer is %s"),
}
"""Forms of an answer: what names them in a prompt, and the completion."""

_PROBES = ("7", "B")
"""Golds that every verifier can read, in turn: a form in which neither is accepted is none that the task reads."""

_UNIT = re.compile(
    r"(?P<number>[-+]?[0-9][0-9.,]*)(?:\s|\\[ ,;]|~)*"
    r"(?:\\(?:text|textrm|mathrm|mbox)\s?\{[^{}0-9]+\}(?:\^\{?[0-9]\}?)?|(?!(?:or|and|to|at|mod|am|pm|of|i)\b)"
    r"(?:[A-Za-z]{2,}|[A-Za-z]{1,4}/[A-Za-z]{1,4})(?:/[A-Za-z]+)?(?:\^?[0-9])?(?:\s[A-Za-z]{2,})?)"
)


@dataclass(frozen=True, slots=True)
class Finding:
    """A completion on which the verifier fails: refused though right, or accepted though wrong."""

    fault: str
    id: str
    where: str
    answer: str
    completion: str


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What `check` found."""

    task: str
    sizes: dict[Split, int]
    tried: dict[str, int]
    """Golds in each form, and changed golds of each kind."""
    findings: tuple[Finding, ...]
    unasked: tuple[Finding, ...]
    """Right answers that are refused in a form that the task reads, but that its prompt does not ask for: no fault."""
    general: tuple[str, ...]
    """Faults of the task as a whole, a sentence each."""
    read: tuple[str, ...]
    """What should be known of the data and is no fault."""

    @property
    def passed(self) -> bool:
        """Whether no fault was found."""
        return not self.findings and not self.general

    def faults(self) -> list[str]:
        """One sentence for each kind of fault."""
        return [*_sentences(self.findings), *self.general]

    def notes(self) -> list[str]:
        """One sentence for each thing that should be known and is no fault."""
        return [*_sentences(self.unasked), *self.read]


def check(task: Task, to_train_on: bool = False) -> CheckReport:
    """Try every problem of every split; `to_train_on`: having no train problems is a fault.

    Raises TaskError if the data cannot be had.
    """
    by_split = {split: task.problems(split) for split in USER_SPLITS}
    everything = [problem for problems in by_split.values() for problem in problems]
    general, notes = _of_the_data(task, by_split, to_train_on)
    if everything and task.verify("", everything[0]).correct:
        general.append("An empty completion is accepted.")
    # Forms that the prompt asks for must be read; others are tried, too, and only told of.
    requested, unasked = _other_forms(task, everything[0]) if everything else ({}, {})
    accepted = [one for one in everything if task.verify(task.completion(one.answer), one).correct]
    # Of a gold answer that is refused as it is, other forms would only say so again.
    ids = {problem.id for problem in accepted}
    refused = (problem for problem in everything if problem.id not in ids)
    return CheckReport(
        task=task.name,
        sizes={split: len(problems) for split, problems in by_split.items()},
        tried={
            "own form": len(everything),
            **dict.fromkeys([*requested, *unasked], len(accepted)),
            **Counter(f"other {what}" for one in everything for what in perturbed(one.answer)),
        },
        findings=(
            *(_finding("gold answers are not accepted", one, task.completion(one.answer)) for one in refused),
            *(finding for one in accepted for finding in _of_plain(task, one)),
            *(finding for one in accepted for finding in _of_forms(task, one, requested)),
            *(finding for one in everything for finding in _of_wrong(task, one)),
            *_of_splits(by_split),
        ),
        unasked=tuple(finding for one in accepted for finding in _of_forms(task, one, unasked)),
        general=tuple(general),
        read=tuple(notes),
    )


def _sentences(findings: tuple[Finding, ...]) -> list[str]:
    first = {finding.fault: finding for finding in reversed(findings)}
    counts = Counter(finding.fault for finding in findings)
    return [f"{count} {fault}, first {_named(first[fault])}." for fault, count in counts.items()]


def _named(finding: Finding) -> str:
    return f"{finding.answer[:60]!r} of problem {finding.id}" + f" ({finding.where})" * bool(finding.where)


def _finding(fault: str, problem: Problem, completion: str = "") -> Finding:
    return Finding(fault, problem.id, problem.where, problem.answer, completion)


def _other_forms(task: Task, problem: Problem) -> tuple[dict[str, str], dict[str, str]]:
    """The forms that the task reads beside its own: those that the prompt asks for, and those that it does not.

    Which are read is found by golds that are as plain as can be. A prompt that names no form asks for all of them.
    """
    own = {task.completion(probe) for probe in _PROBES}
    forms = {
        name: form
        for name, (_, form) in FORMS.items()
        if any(
            form % probe not in own and task.verify(form % probe, replace(problem, answer=probe)).correct
            for probe in _PROBES
        )
    }
    prompt = str(task.prompt(replace(problem, question="")))
    named = {name for name, (marker, _) in FORMS.items() if marker in prompt}
    requested = {name: form for name, form in forms.items() if name in named or not named}
    return requested, {name: form for name, form in forms.items() if name not in requested}


def _of_plain(task: Task, problem: Problem) -> Iterator[Finding]:
    plain = _plainly(problem.answer)
    if plain is not None and not task.verify(task.completion(plain), problem).correct:
        yield _finding("gold answers refuse the plain answer that a model gives", problem, task.completion(plain))


def _of_forms(task: Task, problem: Problem, forms: dict[str, str]) -> Iterator[Finding]:
    refused = {name: form % problem.answer for name, form in forms.items()}
    refused = {name: text for name, text in refused.items() if not task.verify(text, problem).correct}
    if refused and len(refused) == len(forms):
        yield _finding("gold answers are accepted in the first form only", problem, next(iter(refused.values())))
        return
    for name, text in refused.items():
        yield _finding(f"gold answers are not accepted as {name}", problem, text)


def _plainly(answer: str) -> str | None:
    """What a model writes for a gold with marks or a unit around it: 7 for "\\boxed{7}", "#### 7" and "7 km/h"."""
    inside = final_answer(answer)
    if inside != answer.strip():
        return inside
    unit = _UNIT.fullmatch(answer.strip())
    return unit["number"] if unit else None


def _of_wrong(task: Task, problem: Problem) -> Iterator[Finding]:
    for kind, wrong in perturbed(problem.answer).items():
        if task.verify(task.completion(wrong), problem).correct:
            yield _finding(f"answers with another {kind} are accepted", problem, task.completion(wrong))


def _of_splits(by_split: dict[Split, list[Problem]]) -> Iterator[Finding]:
    splits: dict[str, set[Split]] = {}
    for split, problems in by_split.items():
        for problem in problems:
            if split in splits.setdefault(problem.id, set()):
                yield _finding("problems stand twice in one split", problem)
            elif splits[problem.id]:
                yield _finding("problems stand in two splits", problem)
            splits[problem.id].add(split)


def _of_the_data(task: Task, by_split: dict[Split, list[Problem]], to_train_on: bool) -> tuple[list[str], list[str]]:
    """Faults and notes about what was read, and about splits that are empty."""
    faults: list[str] = []
    notes: list[str] = []
    if isinstance(task, DataTask):
        for reading in task.loaded.readings:
            faults += reading.faults()
            notes += reading.notes()
        notes += task.loaded.notes
    if not any(by_split.values()):
        return [*faults, "There are no problems."], notes
    meant_to = isinstance(task, DataTask) and "train" in task.splits and not task.loaded.splits["train"]
    if not by_split["train"]:
        sentence = "There are no problems to train on: experiments can be scored on this task, not trained on it."
        (faults if to_train_on or meant_to else notes).append(sentence)
    return faults, notes
