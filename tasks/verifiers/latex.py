"""LaTeX and symbolic answers, compared by math-verify in a child process that is killed when it takes too long.

math-verify's own time limits rest on signals, which neither threads nor code stuck in C heed; a child that is killed
from outside is the only limit that always holds. What math-verify cannot decide is "error".
"""

from dataclasses import dataclass

from rlvr_bench.tasks.problem import Verdict
from rlvr_bench.tasks.verifiers.extraction import marked_answer
from rlvr_bench.tasks.verifiers.math_process import shared_process


@dataclass(frozen=True, slots=True)
class LatexVerifier:
    """math-verify with its default extraction: the last box first, then LaTeX and plain expressions from the end.

    Boxes with few signs between them are one answer: "\\boxed{1} and \\boxed{2}" is the list 1, 2.
    """

    seconds: float = 10.0
    """Wall-clock limit for one completion, not counting the start of the child process."""

    @property
    def version(self) -> str:
        """Bumped whenever a verdict may change; math-verify's own version is recorded with the environment."""
        return f"latex-1 {self.seconds}"

    def verify(self, completion: str, gold: str) -> Verdict:
        """See `Verifier.verify`; raises TaskError only if math-verify itself cannot be started."""
        reply = shared_process().compare(gold, completion, self.seconds)
        if reply is None:
            return Verdict(False, None, "error")
        if reply.parsed is None:
            return Verdict(False, None, "unparsed")
        return Verdict(reply.correct, reply.parsed, "correct" if reply.correct else "wrong")

    def follows_format(self, completion: str) -> bool:
        """Whether there is a box with something in it."""
        return marked_answer(completion, "boxed") is not None

    def completion(self, answer: str) -> str:
        """The answer in a box."""
        return rf"\boxed{{{answer}}}"
