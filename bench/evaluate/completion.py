"""A completion with all that is recorded about it, before and after it is graded. Imports no torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rlvr_bench.tasks.problem import Problem, Verdict

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from rlvr_bench.generate.backend import Completions


@dataclass(frozen=True, slots=True)
class Completion:
    """Text without special tokens and before any stop text; `tokens` counts the EOS or the stop text too.

    `logprob_sum` is in nats; `truncated`: it was cut off at the token limit.
    """

    text: str
    tokens: int
    logprob_sum: float
    truncated: bool


@dataclass(frozen=True, slots=True)
class Graded:
    """The completion number `sample` of a problem, with the verdict on it; `temperature` 0 is greedy decoding."""

    problem: Problem
    sample: int
    temperature: float
    completion: Completion
    verdict: Verdict

    def row(self, task: str, split: str, seed: int) -> dict[str, Any]:
        """The columns of `record.samples.SAMPLES_SCHEMA`, all but cell id and model, which the caller knows."""
        return {
            "task": task,
            "split": split,
            "problem_id": self.problem.id,
            "sample": self.sample,
            "completion": self.completion.text,
            "parsed": self.verdict.parsed,
            "correct": self.verdict.correct,
            "reason": self.verdict.reason,
            "tokens": self.completion.tokens,
            "logprob_sum": self.completion.logprob_sum,
            "finish_reason": "length" if self.completion.truncated else "stop",
            "temperature": self.temperature,
            "seed": seed,
        }


def decode(
    completions: "Completions", tokenizer: "PreTrainedTokenizerBase", stop: Sequence[str] = ()
) -> list[Completion]:
    """Completions as text, in their order, each up to the first stop text in it."""
    from rlvr_bench.generate.stop_texts import finish

    ended, texts = finish(completions, tokenizer, stop)
    parts = zip(texts, ended.token_ids, ended.logprobs, ended.truncated, strict=True)
    return [Completion(text, len(tokens), sum(logprobs), truncated) for text, tokens, logprobs, truncated in parts]
