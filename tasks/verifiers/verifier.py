"""What every verifier offers. Which verifier checks a task is a property of the task."""

from typing import Protocol

from rlvr_bench.tasks.problem import Verdict


class Verifier(Protocol):
    """Reads the answer out of a completion and compares it with the gold answer."""

    @property
    def version(self) -> str:
        """Changes whenever a verdict may change; part of a task's fingerprint."""
        ...

    def verify(self, completion: str, gold: str) -> Verdict:
        """The verdict on a completion; never raises for what the completion says."""
        ...

    def follows_format(self, completion: str) -> bool:
        """Whether the completion states an answer, right or wrong, in the form that is asked for."""
        ...

    def completion(self, answer: str) -> str:
        """The shortest completion that states `answer` in the form that is asked for."""
        ...
