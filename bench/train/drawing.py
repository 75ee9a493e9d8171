"""Sampling the policy outside of GRPO: to learn from the samples, or to see where it stands."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from rlvr_bench.generate.sampling_params import SamplingParams
from rlvr_bench.generate.stop_texts import finish
from rlvr_bench.tasks.problem import Problem, Verdict
from rlvr_bench.tasks.verdicts import verify_all
from rlvr_bench.train import proof, scorer
from rlvr_bench.train.log_probs import k3
from rlvr_bench.train.scorer import Rows
from rlvr_bench.train.training_run import TrainingRun


@dataclass(frozen=True, slots=True)
class Draw:
    """Completions of train problems with their verdicts; all lists have one entry per completion."""

    problems: list[Problem]
    prompts: list[list[int]]
    token_ids: list[list[int]]
    logprobs: list[list[float]]
    entropies: list[list[float]] | None
    truncated: list[bool]
    texts: list[str]
    verdicts: list[Verdict]

    @property
    def accuracy(self) -> float:
        """Share of completions that the verifier finds correct."""
        return self.share("correct")

    def share(self, reason: str) -> float:
        """Share of completions with this verdict."""
        return fmean(verdict.reason == reason for verdict in self.verdicts)


def draw(run: TrainingRun[Any], places: Sequence[int], each: int, seed: int, temperature: float | None = None) -> Draw:
    """Sample `each` completions of the train problems at `places`, with the policy's true weights.

    `temperature` is the settings' own, or another: 0 decodes greedily.
    """
    repeated = [place for place in places for _ in range(each)]
    prompts = [run.prompt_ids[place] for place in repeated]
    with run.handle.rollout_weights() as model:
        completions = run.backend.generate(
            model,
            prompts,
            SamplingParams.of_model(
                model,
                run.tokenizer,
                max_new_tokens=run.settings.max_new_tokens,
                temperature=run.settings.temperature if temperature is None else temperature,
                seed=seed,
                batch_size=max(len(prompts), 1),
                stop=run.task.stop,
            ),
        )
    problems = [run.problems[place] for place in repeated]
    ended, texts = finish(completions, run.tokenizer, run.task.stop)
    return Draw(
        problems=problems,
        prompts=prompts,
        token_ids=ended.token_ids,
        logprobs=ended.logprobs,
        entropies=ended.entropies,
        truncated=ended.truncated,
        texts=texts,
        verdicts=verify_all(run.task, texts, problems, ended.truncated),
    )


def metrics(run: TrainingRun[Any], drawn: Draw) -> dict[str, float | None]:
    """Return what GRPO records of a rollout batch, under TRL's names; the KL is k3 to the base, nats per token."""
    device = next(run.reference.parameters()).device
    rows = Rows.of_lists(drawn.prompts, drawn.token_ids, device)
    backend = proof.choose(scorer.AUTO, (run.reference,), run.prompt_ids, run.settings.max_new_tokens)
    base = scorer.log_probs_of(run.reference, rows, run.settings.temperature, backend)
    policy = Rows.floats(drawn.logprobs, device)
    lengths = [len(ids) for ids in drawn.token_ids]
    flat = [value for row in drawn.entropies or [] for value in row]
    return {
        "accuracy": drawn.accuracy,
        "unparsed": drawn.share("unparsed") + drawn.share("truncated"),
        "verifier_errors": drawn.share("error"),
        "entropy": fmean(flat) if flat else None,
        "kl": k3(policy, base, rows.completion_mask),
        "completions/mean_length": fmean(lengths),
        "completions/max_length": max(lengths),
        "completions/clipped_ratio": fmean(drawn.truncated),
    }
