"""What every verifier offers. Which verifier checks a task is a property of the task."""

from typing import Protocol, Self

from rlvr_bench.tasks.problem import Verdict
from rlvr_bench.tasks.verifiers.extraction import Marker


class Verifier(Protocol):
    """Reads the answer out of a completion and compares it with the gold answer."""

    @property
    def version(self) -> str:
        """Changes whenever a verdict may change; part of a task's fingerprint."""
        ...

    def asked_by(self, instruction: str) -> Self:
        """The same verifier, with the marker first that a prompt's instruction asks for (`#### N`, `\\boxed{N}`)."""
        ...

    def marked(self, marker: Marker) -> Self:
        """The same verifier, reading only the form that the prompt requires ("required"), or any form ("any")."""
        ...

    def verify(self, completion: str, gold: str, truncated: bool = False) -> Verdict:
        """The verdict on a completion; never raises for what the completion says.

        `truncated`: the completion was cut off at a token limit. What touches the cut is then no answer ("#### 2" may
        have become "#### 23"), nor is a number that stands somewhere in the text without a marker.
        """
        ...

    def follows_format(self, completion: str, truncated: bool = False) -> bool:
        """Whether the completion states an answer, right or wrong, in the required form.

        `truncated`: it was cut off; what touches the cut is no answer.
        """
        ...

    def completion(self, answer: str) -> str:
        """The shortest completion that states `answer` in the required form."""
        ...
