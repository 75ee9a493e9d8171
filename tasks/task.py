"""What a task is, and the one class that most tasks are made of.

A task is a source of problems, an instruction for prompts and a verifier. Which sources there are is described in
`registry`; nothing here reads files or generates problems.
"""

import hashlib
import json
from collections.abc import Callable
from typing import Protocol

from rlvr_bench.plugins.suggestion import did_you_mean
from rlvr_bench.tasks import prompts
from rlvr_bench.tasks.errors import TaskError
from rlvr_bench.tasks.problem import SPLITS, Problem, Split, Verdict
from rlvr_bench.tasks.prompts import Prompt
from rlvr_bench.tasks.settings import TaskSettings
from rlvr_bench.tasks.verifiers.verifier import Verifier

USER_SPLITS: tuple[Split, ...] = tuple(split for split in SPLITS if split != "pretrain")


class Task(Protocol):
    """Problems in disjoint splits, prompts for them, verdicts on completions."""

    @property
    def name(self) -> str: ...

    @property
    def chat(self) -> bool:
        """Whether prompts are chat messages."""
        ...

    @property
    def stop(self) -> tuple[str, ...]:
        """Texts that end a completion, in training and in evaluation; empty: the end-of-sequence token alone does."""
        ...

    def problems(self, split: Split) -> list[Problem]:
        """The problems of train, validation or test; empty where a data set has no such part. Always the same list.

        Raises TaskError for other splits, and if the data cannot be had.
        """
        ...

    def prompt(self, problem: Problem, style: str = "task") -> Prompt:
        """Plain text, or chat messages if `chat`; raises TaskError if the style is unknown."""
        ...

    def verify(self, completion: str, problem: Problem, truncated: bool = False) -> Verdict:
        """The verdict on a completion (text without the prompt); never raises for what a completion says.

        `truncated`: it was cut off at the token limit, so an answer that touches its end is none.
        """
        ...

    def follows_format(self, completion: str, truncated: bool = False) -> bool:
        """Whether a completion states an answer, right or wrong, in the form that the task asks for."""
        ...

    def completion(self, answer: str) -> str:
        """The shortest completion that states `answer` in the form that the task asks for."""
        ...

    def fingerprint(self) -> str:
        """SHA-256 over what changes scores: settings, prompts, verifier, and every problem with its answer."""
        ...


class StandardTask:
    """A task made of a source of problems, an instruction and a verifier. Implements `Task`."""

    def __init__(
        self,
        settings: TaskSettings,
        source: Callable[[Split], list[Problem]],
        verifier: Verifier,
        instruction: str = "",
    ) -> None:
        """`source` is asked once for each split, when that split is first needed."""
        self._settings = settings
        self._source = source
        self._verifier = verifier if settings.marker is None else verifier.marked(settings.marker)
        self._instruction = instruction
        self._problems: dict[Split, list[Problem]] = {}

    @property
    def name(self) -> str:
        """The name under which the task was looked up."""
        return self._settings.name

    @property
    def chat(self) -> bool:
        """Whether prompts are chat messages."""
        return self._settings.chat

    @property
    def stop(self) -> tuple[str, ...]:
        """See `Task.stop`."""
        return tuple(self._settings.stop)

    def problems(self, split: Split) -> list[Problem]:
        """See `Task.problems`."""
        if split not in USER_SPLITS:
            hint = f"; choose from {', '.join(USER_SPLITS)}" if split in SPLITS else did_you_mean(split, USER_SPLITS)
            raise TaskError(f"Task {self.name!r} gives no split {split!r}{hint}")
        if split not in self._problems:
            self._problems[split] = self._source(split)
        return list(self._problems[split])

    def prompt(self, problem: Problem, style: str = "task") -> Prompt:
        """See `Task.prompt`."""
        return prompts.render(problem.question, self._instruction, style, self.chat)

    def verify(self, completion: str, problem: Problem, truncated: bool = False) -> Verdict:
        """See `Task.verify`."""
        return self._verifier.verify(completion, problem.answer, truncated)

    def follows_format(self, completion: str, truncated: bool = False) -> bool:
        """See `Task.follows_format`."""
        return self._verifier.follows_format(completion, truncated)

    def completion(self, answer: str) -> str:
        """See `Task.completion`."""
        return self._verifier.completion(answer)

    def fingerprint(self) -> str:
        """See `Task.fingerprint`."""
        # The marker is in the verifier's version; a task without stop texts is what it was before there were any.
        left_out = {*self._settings.locations, "marker", *(() if self.stop else ("stop",))}
        content = {
            "settings": self._settings.model_dump(mode="json", exclude=left_out),
            "instruction": self._instruction,
            "prompts": prompts.version(),
            "verifier": self._verifier.version,
            "problems": {
                split: [[problem.id, problem.answer] for problem in self.problems(split)] for split in USER_SPLITS
            },
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
