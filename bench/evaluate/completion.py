"""A completion with all that is recorded about it, before and after it is graded. Imports no torch."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rlvr_bench.tasks.problem import Problem, Verdict

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from rlvr_bench.generate.backend import Completions


@dataclass(frozen=True, slots=True)
class Completion:
    """Text without special tokens; `tokens` counts the EOS too; `logprob_sum` is in nats."""

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


def decode(completions: "Completions", tokenizer: "PreTrainedTokenizerBase") -> list[Completion]:
    """Completions as text, in their order."""
    texts: list[str] = tokenizer.batch_decode(completions.token_ids, skip_special_tokens=True)
    parts = zip(texts, completions.token_ids, completions.logprobs, completions.truncated, strict=True)
    return [Completion(text, len(tokens), sum(logprobs), truncated) for text, tokens, logprobs, truncated in parts]
