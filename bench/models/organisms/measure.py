"""What an organism can do: accuracy by family and level, by strategy, and within k samples. The numbers of its card.

Measured on the split "validation": the test split is for experiments.
"""

from collections.abc import Sequence

from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from rlvr_bench.models.organisms.recipe import Fork, Recipe
from rlvr_bench.models.organisms.sampling import greedy_answers, sampled_answers
from rlvr_bench.models.organisms.scores import SAMPLES, LevelScore, pass_at_k
from rlvr_bench.models.organisms.text import ANSWER_MARK
from rlvr_bench.tasks.errors import TaskError
from rlvr_bench.tasks.families import FAMILIES
from rlvr_bench.tasks.problem import Problem
from rlvr_bench.tasks.procedural import draw


def measure_level(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    family: str,
    level: int,
    problems: int,
    fork: Fork | None = None,
) -> LevelScore | None:
    """Score up to `problems` validation problems with SAMPLES answers each; None if the level has fewer than 8."""
    drawn = _draw_up_to(family, level, problems)
    if len(drawn) < 8:
        return None
    questions = [problem.question for problem in drawn]
    sampled = sampled_answers(model, tokenizer, questions, SAMPLES, seed=level)
    graded = [[is_right(text, problem) for text in texts] for texts, problem in zip(sampled, drawn, strict=True)]
    by_strategy: dict[bool, list[bool]] = {True: [], False: []}
    for texts, marks in zip(sampled, graded, strict=True):
        for text, right in zip(texts, marks, strict=True):
            by_strategy[is_worked(text)].append(right)
    likeliest = greedy_answers(model, tokenizer, questions)
    greedy = [is_right(*pair) for pair in zip(likeliest, drawn, strict=True)]
    return LevelScore(
        family=family,
        level=level,
        problems=len(drawn),
        greedy=_mean(greedy),
        pass_1=_pass(graded, 1),
        pass_4=_pass(graded, 4),
        pass_16=_pass(graded, 16),
        worked_share=round(len(by_strategy[True]) / (SAMPLES * len(drawn)), 4),
        worked_accuracy=_share(by_strategy[True]),
        direct_accuracy=_share(by_strategy[False]),
        greedy_worked_share=_mean([is_worked(text) for text in likeliest]),
        cued_worked_share=_worked_share(questions, sampled, fork, cued=True),
        uncued_worked_share=_worked_share(questions, sampled, fork, cued=False),
    )


def measure(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, recipe: Recipe, problems: int
) -> list[LevelScore]:
    """First the main family at all its levels, taught or not, then the others as taught, on a third of the problems."""
    main = [(recipe.main_family, level, problems) for level in FAMILIES[recipe.main_family].levels]
    transfer_levels = [
        (diet.family, level, -(-problems // 3))
        for diet in recipe.diets
        for level in diet.levels
        if diet.family != recipe.main_family
    ]
    forks = [recipe.fork] * len(main) + [None] * len(transfer_levels)
    levels = zip(main + transfer_levels, forks, strict=True)
    rows = [measure_level(model, tokenizer, *task_level, fork) for task_level, fork in levels]
    return [row for row in rows if row is not None]


def is_right(text: str, problem: Problem) -> bool:
    """Whether what follows the last answer mark is the gold answer, letter for letter."""
    return ANSWER_MARK in text and text.rsplit(ANSWER_MARK, 1)[1].strip() == problem.answer


def is_worked(text: str) -> bool:
    """Whether anything but the final answer was written."""
    return not text.startswith(ANSWER_MARK)


def _worked_share(
    questions: Sequence[str], sampled: Sequence[Sequence[str]], fork: Fork | None, *, cued: bool
) -> float | None:
    """The share of worked answers to the questions with or without a fork's cue; None without a fork."""
    pairs = zip(questions, sampled, strict=True)
    return _share(
        [is_worked(text) for question, texts in pairs if fork and fork.cued(question) == cued for text in texts]
    )


def _draw_up_to(family: str, level: int, count: int) -> list[Problem]:
    while count:
        try:
            return draw(FAMILIES[family], level, "validation", count, seed=0)
        except TaskError:  # a small level: fewer will do
            count //= 2
    return []


def _pass(graded: list[list[bool]], k: int) -> float:
    return _mean([pass_at_k(SAMPLES, sum(marks), k) for marks in graded])


def _share(marks: list[bool]) -> float | None:
    return _mean(marks) if marks else None


def _mean(values: Sequence[float]) -> float:
    return round(sum(values) / len(values), 4)
