"""Whether a model has read the problems: it completes questions cut short, and finds their answers unsurprising.

The partial-prompt test of Wu et al. 2025 (arXiv 2507.10532): the first 40, 60 and 80 % of a question's characters, no
prompt style, greedy decoding. A completion counts by exact match and ROUGE-L (Lin 2004, F1) of as many characters as
are missing, and by the verifier's verdict on all of it. Perplexities are those of the question's own tokens and of the
gold answer after the prompt (arXiv 2601.11061): training on spurious rewards is reported to move them in opposite
directions.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import version
from math import exp
from statistics import fmean
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from rlvr_bench.console.progress import Report
from rlvr_bench.evaluate.completion import decode
from rlvr_bench.experiment.settings import EvaluateSettings
from rlvr_bench.generate import matmul
from rlvr_bench.generate.backend import Backend
from rlvr_bench.generate.prompt_ids import all_prompt_ids
from rlvr_bench.generate.sampling_params import SamplingParams
from rlvr_bench.models.base import LoadedBase
from rlvr_bench.models.config import BaseConfig
from rlvr_bench.models.organisms.card import read_card
from rlvr_bench.models.source import source_of
from rlvr_bench.record.cache import cache_dir, computed_once
from rlvr_bench.tasks.problem import Problem
from rlvr_bench.tasks.task import Task
from rlvr_bench.tasks.verdicts import verify_all

SHARES = (40, 60, 80)
"""Per cent of a question's characters that the model is given."""

_CODE_VERSION = 3

Group = Mapping[str, Any]
"""What was found on a group of problems: `n`; by share ("40") `exact`, `rouge_l`, `answer` and `outcomes` (a digit per
problem: 1 is an exact match); `question_perplexity` and `answer_perplexity`."""


def contamination(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    task: Task,
    problems: Sequence[Problem],
    settings: EvaluateSettings,
    backend: Backend,
    report: Report = lambda message, done: None,
) -> Group:
    """Probe one group of problems; the settings say how long completions are and how prompts look.

    `report` hears how far it is.

    Raises:
        ValueError: there are no problems.
    """
    if not problems:
        raise ValueError(f"task {task.name!r} has no problems to probe; choose another split")
    prompts = all_prompt_ids(tokenizer, (task.prompt(problem, settings.prompt) for problem in problems))
    answers = [_ids(tokenizer, task.completion(problem.answer)) for problem in problems]
    questions = all_prompt_ids(tokenizer, (problem.question for problem in problems))
    first, rest = [ids[:1] for ids in questions], [ids[1:] for ids in questions]
    completed: dict[str, Any] = {}
    for place, share in enumerate(SHARES):
        report(f"questions completed from {share} %", place / (len(SHARES) + 1))
        completed[str(share)] = _completed(model, tokenizer, task, problems, share, settings, backend)
    report("perplexities", len(SHARES) / (len(SHARES) + 1))
    return {
        "n": len(problems),
        **completed,
        "question_perplexity": perplexity(model, first, rest, settings.batch_size),
        "answer_perplexity": perplexity(model, prompts, answers, settings.batch_size),
    }


def base_contamination(
    base: LoadedBase, task: Task, problems: Sequence[Problem], settings: EvaluateSettings, backend: Backend
) -> Group:
    """The same of an untrained base, from the cache where it has it."""
    content = {
        "code": _CODE_VERSION,
        "libraries": {name: version(name) for name in ("torch", "transformers")},
        "base": base.fingerprint,
        "task": task.fingerprint(),
        "problems": [problem.id for problem in problems],
        "settings": settings.model_dump(mode="json", include={"prompt", "max_new_tokens"}),
        "backend": backend.name,
        "products": matmul.library(),
    }
    identity = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
    return computed_once(
        cache_dir() / "contamination" / f"{identity}.json",
        json.loads,
        lambda: contamination(base.model, base.tokenizer, task, problems, settings, backend),
        json.dumps,
    )


def planted_in(base: BaseConfig) -> list[str]:
    """Ids of the problems that an organism is known to have read; none of another model."""
    source = source_of(base)
    return read_card(source.folder).planted if source.kind == "organism" and source.folder is not None else []


def groups(problems: Sequence[Problem], planted: Sequence[str]) -> dict[str, list[Problem]]:
    """All problems as "all", or where some of them are planted these and the others as "planted" and "clean"."""
    ids = set(planted)
    halves = {
        "planted": [problem for problem in problems if problem.id in ids],
        "clean": [problem for problem in problems if problem.id not in ids],
    }
    return halves if all(halves.values()) else {"all": list(problems)}


@torch.no_grad()
def perplexity(
    model: PreTrainedModel, before: Sequence[list[int]], tokens: Sequence[list[int]], batch_size: int
) -> float | None:
    """exp of the mean negative log-likelihood (nats) of all `tokens`, each row after `before` it; None without any."""
    rows = [(first, then) for first, then in zip(before, tokens, strict=True) if then]
    losses: list[float] = []
    for start in range(0, len(rows), batch_size):
        losses += _losses(model, rows[start : start + batch_size])
    return exp(fmean(losses)) if losses else None


def _losses(model: PreTrainedModel, rows: Sequence[tuple[list[int], list[int]]]) -> list[float]:
    """Negative log-likelihoods (nats) of the second parts' tokens, row after row."""
    ids, mask = (
        pad_sequence([torch.tensor(row) for row in columns], batch_first=True).to(model.device)
        for columns in (
            [first + then for first, then in rows],
            [[1] * (len(first) + len(then)) for first, then in rows],
        )
    )
    logits = model(input_ids=ids, attention_mask=mask, use_cache=False).logits[:, :-1].float()
    losses: Tensor = -torch.log_softmax(logits, dim=-1).gather(-1, ids[:, 1:, None]).squeeze(-1)
    return [
        loss
        for row, (first, then) in zip(losses.tolist(), rows, strict=True)
        for loss in row[len(first) - 1 : len(first) + len(then) - 1]
    ]


def _completed(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    task: Task,
    problems: Sequence[Problem],
    share: int,
    settings: EvaluateSettings,
    backend: Backend,
) -> dict[str, Any]:
    cuts = [max(1, round(len(problem.question) * share / 100)) for problem in problems]
    completions = backend.generate(
        model,
        all_prompt_ids(tokenizer, (problem.question[:cut] for problem, cut in zip(problems, cuts, strict=True))),
        SamplingParams.of_model(
            model,
            tokenizer,
            max_new_tokens=settings.max_new_tokens,
            temperature=0.0,
            batch_size=settings.batch_size,
            stop=task.stop,
        ),
    )
    answers = decode(completions, tokenizer, task.stop)
    texts = [completion.text for completion in answers]
    missing = [problem.question[cut:] for problem, cut in zip(problems, cuts, strict=True)]
    exact = [text[: len(tail)] == tail for text, tail in zip(texts, missing, strict=True)]
    verdicts = verify_all(task, texts, problems, [answer.truncated for answer in answers])
    return {
        "exact": fmean(exact),
        "rouge_l": fmean(rouge_l(tail, text[: len(tail)]) for text, tail in zip(texts, missing, strict=True)),
        "answer": fmean(verdict.correct for verdict in verdicts),
        "outcomes": "".join(str(int(match)) for match in exact),
    }


def rouge_l(truth: str, text: str) -> float:
    """ROUGE-L F1 of letters and digits in words, lower case; 1 where there is no word to match and the texts agree."""
    if truth == text:
        return 1.0
    return float(_rouge().score(truth, text)["rougeL"].fmeasure)


@cache
def _rouge() -> Any:
    from rouge_score.rouge_scorer import RougeScorer  # it brings nltk and scikit-learn, which no other cell needs

    return RougeScorer(["rougeL"])


def _ids(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    ids: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    return ids
