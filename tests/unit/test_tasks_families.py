"""Procedural families: gold answers against independent computations, worked steps, slips, splits."""

import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlvr_bench.tasks.errors import TaskError
from rlvr_bench.tasks.families import FAMILIES
from rlvr_bench.tasks.problem import Problem
from rlvr_bench.tasks.procedural import draw, split_of

SEEDS = st.integers(0, 2**32)
CASES = st.sampled_from([(name, level) for name, family in FAMILIES.items() for level in family.levels])


def sample(case: tuple[str, int], seed: int) -> Problem:
    return FAMILIES[case[0]].sample(random.Random(seed), case[1])


def terms(text: str) -> list[tuple[str, int]]:
    return [(operator or "+", int(number)) for operator, number in re.findall(r"([-+*]?)(\d+)", text)]


def chain(question: str) -> int:
    value = 0
    for operator, number in terms(question):
        value = {"+": value + number, "-": value - number, "*": value * number}[operator]
    return value % 10  # reduced once, at the end


def sums(question: str) -> int:
    return sum(-number if operator == "-" else number for operator, number in terms(question))


def linear(question: str) -> int:
    unknown = question[-3]
    left, right = question.split(",")[0].split("=")
    python = re.sub(rf"(\d)([{unknown}(])", r"\1*\2", left)
    assert set(python) <= set(f"0123456789+-*(){unknown}")
    fits = [x for x in range(100) if eval(python, {"__builtins__": {}}, {unknown: x}) == int(right)]
    assert len(fits) == 1
    return fits[0]


def compare(question: str) -> int:
    numbers = [int(number) for number in re.findall(r"\d+", question)]
    return sorted(numbers)[-1 if question.startswith("max") else 0]


def count(question: str) -> int:
    wanted, row = re.findall(r"\d+", question)
    return len(row) - len(row.replace(wanted, ""))


def sort(question: str) -> int:
    return int("".join(sorted(re.sub(r"\D", "", question))))


def words(question: str) -> int:
    start = int(re.search(r"has (\d+)", question).group(1))
    changes = re.findall(r"(buys|finds|gets|loses|sells|eats) (\d+)", question)
    return start + sum(int(n) if verb in ("buys", "finds", "gets") else -int(n) for verb, n in changes)


INDEPENDENT = {
    "chain": chain,
    "sums": sums,
    "linear": linear,
    "compare": compare,
    "count": count,
    "sort": sort,
    "words": words,
}


def test_every_family_has_an_independent_solution() -> None:
    assert set(INDEPENDENT) == set(FAMILIES)
    assert len(FAMILIES) >= 6


@settings(max_examples=300)
@given(CASES, SEEDS)
def test_gold_answer_is_the_independently_computed_one(case: tuple[str, int], seed: int) -> None:
    problem = sample(case, seed)
    assert problem.answer == str(INDEPENDENT[case[0]](problem.question))
    assert (problem.family, problem.level) == case


@settings(max_examples=300)
@given(CASES, SEEDS)
def test_worked_steps_lead_to_the_gold_answer(case: tuple[str, int], seed: int) -> None:
    problem = sample(case, seed)
    steps, answer = FAMILIES[case[0]].work(problem, random.Random(seed))
    assert answer == problem.answer
    assert steps[-1].split("=")[-1] == answer
    assert len(steps) == len(problem.extra["moves"])


def test_a_step_of_a_chain_reads_as_documented() -> None:
    problem = Problem("7*3+4-9=?", "6", "chain", 3, {"start": 7, "moves": [("*", 3), ("+", 4), ("-", 9)]})
    assert FAMILIES["chain"].work(problem, random.Random(0)) == (["7*3=1", "1+4=5", "5-9=6"], "6")


@settings(max_examples=300)
@given(CASES, SEEDS, st.data())
def test_slips_lead_elsewhere(case: tuple[str, int], seed: int, data: st.DataObject) -> None:
    problem = sample(case, seed)
    right, _ = FAMILIES[case[0]].work(problem, random.Random(seed))
    slips = data.draw(st.integers(1, len(right)))
    steps, answer = FAMILIES[case[0]].work(problem, random.Random(seed), slips)
    assert answer != problem.answer
    assert len(steps) == len(right)
    assert steps != right


def test_more_slips_than_steps_are_refused() -> None:
    problem = sample(("chain", 2), 0)
    with pytest.raises(TaskError, match="ask for 0 to 2"):
        FAMILIES["chain"].work(problem, random.Random(0), slips=3)


@settings(max_examples=300)
@given(CASES, SEEDS)
def test_distractor_is_wrong(case: tuple[str, int], seed: int) -> None:
    problem = sample(case, seed)
    assert FAMILIES[case[0]].distractor(problem, random.Random(seed)) != problem.answer


def test_a_misbelief_is_the_same_whenever_its_fact_comes_up() -> None:
    problem = Problem("7*3*1=?", "1", "chain", 2, {"start": 7, "moves": [("*", 3), ("*", 1)]})

    def misbelief(left_side: str) -> random.Random | None:
        return random.Random(left_side) if left_side == "7*3" else None

    worked = {tuple(FAMILIES["chain"].work(problem, random.Random(seed), 0, misbelief)[0]) for seed in range(20)}
    assert len(worked) == 1
    (steps,) = worked
    assert steps[0] != "7*3=1"
    assert steps[1] == f"{steps[0][-1]}*1={steps[0][-1]}"


def test_an_unknown_level_is_refused() -> None:
    with pytest.raises(TaskError, match="no level 99: choose from 1 to 8"):
        FAMILIES["chain"].sample(random.Random(0), 99)


@given(CASES, SEEDS)
def test_split_follows_from_the_text_alone(case: tuple[str, int], seed: int) -> None:
    problem = sample(case, seed)
    again = Problem(f"  {problem.question} ", "anything", "other")
    assert split_of(again.id) == split_of(problem.id)


def test_shares_of_splits() -> None:
    rng = random.Random(0)
    splits = [split_of(FAMILIES["chain"].sample(rng, 6).id) for _ in range(4000)]
    shares = {name: splits.count(name) / 4000 for name in ("pretrain", "train", "validation", "test")}
    assert shares == pytest.approx({"pretrain": 0.6, "train": 0.2, "validation": 0.1, "test": 0.1}, abs=0.03)


def test_draw_is_deterministic_unique_and_in_its_split() -> None:
    first = draw(FAMILIES["chain"], 4, "validation", 200, seed=3)
    assert [p.id for p in first] == [p.id for p in draw(FAMILIES["chain"], 4, "validation", 200, seed=3)]
    assert [p.id for p in first] != [p.id for p in draw(FAMILIES["chain"], 4, "validation", 200, seed=4)]
    assert len({p.id for p in first}) == 200
    assert {split_of(p.id) for p in first} == {"validation"}


def test_draw_says_how_many_problems_there_are() -> None:
    every = {f"{a}{operator}{b}=?" for a in range(10) for operator in "+-*" for b in range(10)}
    there = sum(split_of(Problem(question, "0", "chain").id) == "test" for question in every)
    with pytest.raises(TaskError, match=f"only {there} problems of level 1 in split 'test', but 1000"):
        draw(FAMILIES["chain"], 1, "test", 1000, seed=0)
