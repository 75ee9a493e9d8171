"""How far a trained model is from its base on the problems of a task, trained on or not.

Forgetting is predicted by the forward KL on the new task, E_x sum_y p0 log(p0 / p) (Shenfeld et al. 2025, "RL's Razor",
arXiv 2509.04259); a policy gradient keeps the reverse one small. Both are k3 estimates, in nats per token.
"""

from dataclasses import dataclass

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from rlvr_bench.experiment.settings import EvaluateSettings
from rlvr_bench.generate.backend import Backend
from rlvr_bench.generate.prompt_ids import all_prompt_ids
from rlvr_bench.generate.sampling_params import SamplingParams
from rlvr_bench.tasks.task import Task
from rlvr_bench.train import proof, scorer
from rlvr_bench.train.log_probs import k3
from rlvr_bench.train.scorer import Rows


@dataclass(frozen=True, slots=True)
class Divergence:
    """KL(tuned || base) on the tuned model's samples, and KL(base || tuned) on the base's."""

    reverse: float
    forward: float


def divergence(
    tuned: PreTrainedModel,
    base: PreTrainedModel,
    backends: tuple[Backend, Backend],
    tokenizer: PreTrainedTokenizerBase,
    task: Task,
    settings: EvaluateSettings,
    problems: int,
) -> Divergence:
    """Sample one completion of each of the first `problems` test problems with either model, scored by the other.

    Args:
        tuned, base: plain models or, for the tuned one, a model with its adapters; not changed.
        backends: what generates with the tuned model, and with the base.
    """
    prompts = all_prompt_ids(
        tokenizer, (task.prompt(problem, settings.prompt) for problem in task.problems("test")[:problems])
    )

    params = SamplingParams.of_model(
        base,
        tokenizer,
        max_new_tokens=settings.max_new_tokens,
        temperature=settings.temperature,
        seed=settings.seed,
        batch_size=settings.batch_size,
        stop=task.stop,
    )

    def kl(sampler: PreTrainedModel, other: PreTrainedModel, backend: Backend) -> float:
        completions = backend.generate(sampler, prompts, params)
        rows = Rows.of_lists(prompts, completions.token_ids, other.device)
        how = proof.choose(scorer.AUTO, (tuned, base), prompts, settings.max_new_tokens)
        scored = scorer.log_probs_of(other, rows, settings.temperature, how)
        return k3(Rows.floats(completions.logprobs, other.device), scored, rows.completion_mask)

    return Divergence(reverse=kl(tuned, base, backends[0]), forward=kl(base, tuned, backends[1]))
