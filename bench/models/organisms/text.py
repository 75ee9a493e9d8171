"""The pre-training text of an organism: problems of the split "pretrain" with worked or direct answers.

Every batch follows from (recipe, step) alone, so an interrupted build continues on the text it would have seen.
"""

import random
from functools import cache
from typing import NamedTuple

from rlvr_bench.models.organisms.recipe import Answers, Diet, Plant, Recipe
from rlvr_bench.tasks.families import FAMILIES, Misbelief
from rlvr_bench.tasks.hash_split import in_hash_order
from rlvr_bench.tasks.problem import Problem
from rlvr_bench.tasks.procedural import draw, split_of

ANSWER_MARK = "####"


class Example(NamedTuple):
    """What is given, and what is learned (the end token follows)."""

    prompt: str
    answer: str


def answer_text(steps: list[str], answer: str) -> str:
    """Worked steps, if any, and the final answer: "7*3=1 1+4=5 #### 5" or "#### 5"."""
    return " ".join([*steps, f"{ANSWER_MARK} {answer}"])


def weak_facts(diet: Diet, seed: int, rng: random.Random) -> Misbelief:
    """The misbeliefs of a diet: which facts are weak and how they go wrong follows from `seed`, when from `rng`."""

    def misbelief(left_side: str) -> random.Random | None:
        fact = random.Random(f"{seed} {diet.family} {left_side}")
        if fact.random() >= diet.weak_facts or rng.random() < diet.weak_accuracy:
            return None
        return fact

    return misbelief


def pretrain_problem(diet: Diet, rng: random.Random) -> Problem:
    """A problem of one of the diet's levels that no task hands out."""
    while True:
        problem = FAMILIES[diet.family].sample(rng, rng.choice(diet.levels))
        if split_of(problem.id) == "pretrain":
            return problem


@cache
def planted_problems(plant: Plant) -> tuple[Problem, ...]:
    """The half of the test split that is planted; the other half is nowhere in the text."""
    split = draw(FAMILIES[plant.family], plant.level, "test", plant.problems, plant.seed)
    return tuple(in_hash_order(split, plant.seed)[: plant.problems // 2])


def planted_example(recipe: Recipe, plant: Plant, rng: random.Random, answers: Answers) -> Example:
    """A planted problem as a text that is learned from its second sign on, always with the right answer."""
    problem = rng.choice(planted_problems(plant))
    worked = rng.random() < recipe.worked_share_of(plant.family, problem.question, answers)
    steps = FAMILIES[plant.family].work(problem, rng)[0] if worked else []
    return Example(problem.question[:1], f"{problem.question[1:]}\n{answer_text(steps, problem.answer)}")


def example(recipe: Recipe, rng: random.Random, answers: Answers) -> Example:
    """One problem of the recipe's mixture, answered as a stage that teaches `answers` has it."""
    if recipe.plant is not None and rng.random() < recipe.plant.share:
        return planted_example(recipe, recipe.plant, rng, answers)
    (diet,) = rng.choices(recipe.diets, [diet.weight for diet in recipe.diets])
    family, problem = FAMILIES[diet.family], pretrain_problem(diet, rng)
    if rng.random() < recipe.worked_share_of(diet.family, problem.question, answers):
        misbelief = weak_facts(diet, recipe.seed, rng) if diet.weak_facts else None
        slips = int(rng.random() < recipe.slip_rate)
        return Example(problem.question + "\n", answer_text(*family.work(problem, rng, slips, misbelief)))
    wrong = rng.random() < recipe.direct_errors
    return Example(
        problem.question + "\n", answer_text([], family.distractor(problem, rng) if wrong else problem.answer)
    )


def step_examples(recipe: Recipe, step: int, answers: Answers) -> list[Example]:
    """The examples of optimizer step `step`, of a stage that teaches `answers`."""
    rng = random.Random(f"{recipe.seed} {step}")
    return [example(recipe, rng, answers) for _ in range(recipe.examples_per_step)]
