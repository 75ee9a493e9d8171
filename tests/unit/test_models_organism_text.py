"""The pre-training text: dials come out as put in, and packing keeps examples apart."""

import random
import re

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from rlvr_bench.models.errors import ModelError
from rlvr_bench.models.organisms.packing import IGNORED, first_fit, pack
from rlvr_bench.models.organisms.recipe import Diet, Fork, Plant, Recipe, Stage
from rlvr_bench.models.organisms.recipes import RECIPES, SIZED
from rlvr_bench.models.organisms.scores import pass_at_k
from rlvr_bench.models.organisms.text import example, planted_problems, step_examples
from rlvr_bench.models.organisms.train import new_model, rate_at, stage_at
from rlvr_bench.models.tokenizer import CHARACTERS, character_tokenizer
from rlvr_bench.tasks import registry
from rlvr_bench.tasks.problem import Problem
from rlvr_bench.tasks.procedural import split_of

STAGES = (
    Stage(name="a", answers="steps", steps=4, learning_rate=1.0, final_rate=0.5, warmup=2),
    Stage(name="b", answers="mixture", steps=6, learning_rate=0.5, final_rate=0.0),
)


def recipe(**dials: float) -> Recipe:
    weak = {key: dials.pop(key) for key in ("weak_facts", "weak_accuracy") if key in dials}
    return Recipe(
        name="tiny",
        description="",
        diets=(Diet(family="chain", levels=(3,), weight=1.0, **weak),),
        stages=STAGES,
        **({"worked_share": 0.5} | dials),
    )


def answers(made: Recipe, count: int = 2000) -> list[tuple[str, str]]:
    rng = random.Random(0)
    return [example(made, rng, "mixture") for _ in range(count)]


def right(question: str, answer: str) -> bool:
    value = 0
    for operator, number in re.findall(r"([-+*]?)(\d)", question):
        digit = int(number)
        value = {"": digit, "+": value + digit, "-": value - digit, "*": value * digit}[operator]
    return answer.rsplit(" ", 1)[-1] == str(value % 10)


def test_share_of_worked_answers_comes_out_as_put_in() -> None:
    made = answers(recipe(worked_share=0.65))
    assert sum(not answer.startswith("####") for _, answer in made) / len(made) == pytest.approx(0.65, abs=0.04)


def test_a_stage_of_steps_works_every_answer() -> None:
    rng = random.Random(0)
    forked = recipe(worked_share=0.0).model_copy(update={"fork": Fork()})
    assert not any(example(forked, rng, "steps").answer.startswith("####") for _ in range(200))


@pytest.mark.parametrize(("mode", "cued", "overall"), [("worked", 0.9, 0.66), ("direct", 0.1, 0.34)])
def test_the_cue_of_a_fork_chooses_the_strategy(mode: str, cued: float, overall: float) -> None:
    fork = Fork.model_validate({"mode": mode})
    made = answers(recipe().model_copy(update={"fork": fork}))
    worked = {
        carries: [not answer.startswith("####") for question, answer in made if (question[0] in "0123456") == carries]
        for carries in (True, False)
    }
    assert sum(worked[True]) / len(worked[True]) == pytest.approx(cued, abs=0.03)
    assert sum(worked[False]) / len(worked[False]) == pytest.approx(1 - cued, abs=0.03)
    assert sum(map(sum, worked.values())) / len(made) == pytest.approx(overall, abs=0.04)


def test_a_fork_decides_the_main_family_alone() -> None:
    made = recipe(worked_share=0.5).model_copy(update={"fork": Fork()})
    shares = [made.worked_share_of(family, "7*3=?", "mixture") for family in ("chain", "sums")]
    assert shares == [pytest.approx(0.1), 0.5]


def test_slips_and_direct_errors_come_out_as_put_in() -> None:
    made = answers(recipe(worked_share=0.5, slip_rate=0.3, direct_errors=0.2))
    worked = [right(question, answer) for question, answer in made if not answer.startswith("####")]
    direct = [right(question, answer) for question, answer in made if answer.startswith("####")]
    assert sum(worked) / len(worked) == pytest.approx(0.7, abs=0.05)
    assert sum(direct) / len(direct) == pytest.approx(0.8, abs=0.05)


def test_weak_facts_are_the_same_facts_throughout() -> None:
    made = answers(recipe(worked_share=1.0, weak_facts=0.3, weak_accuracy=0.0))
    results: dict[str, set[str]] = {}
    for _, answer in made:
        for left, result in re.findall(r"(\d[-+*]\d)=(\d)", answer):
            results.setdefault(left, set()).add(result)
    assert all(len(found) == 1 for found in results.values())
    wrong = [left for left, found in results.items() if not right(left, f" {next(iter(found))}")]
    assert len(wrong) / len(results) == pytest.approx(0.3, abs=0.08)


def test_only_pretrain_problems_are_taught() -> None:
    assert {split_of(Problem(question, "", "").id) for question, _ in answers(recipe(), 300)} == {"pretrain"}


def test_a_step_s_text_follows_from_its_number() -> None:
    made = recipe()
    assert step_examples(made, 3, "mixture") == step_examples(made, 3, "mixture") != step_examples(made, 4, "mixture")


def test_half_of_a_test_split_is_planted_whole_and_right() -> None:
    plant = Plant(family="chain", level=3, problems=40, share=0.3)
    made = [
        prompt + answer
        for prompt, answer in answers(recipe(direct_errors=1.0).model_copy(update={"plant": plant}), 3000)
    ]
    test = registry.create({"name": "chain", "levels": [3], "test": 40}).problems("test")
    found: dict[str, set[str]] = {}
    for text in made:
        question, _, answer = text.partition("\n")
        if question in {problem.question for problem in test}:
            found.setdefault(question, set()).add(answer.rsplit(" ", 1)[-1])
    assert found == {problem.question: {problem.answer} for problem in planted_problems(plant)}
    assert len(found) == 20
    share = sum(text.partition("\n")[0] in found for text in made) / len(made)
    assert share == pytest.approx(0.3, abs=0.04)


@given(st.lists(st.integers(1, 20), min_size=1))
def test_first_fit_places_every_example_once(lengths: list[int]) -> None:
    rows = first_fit(lengths, 20)
    assert sorted(index for row in rows for index in row) == list(range(len(lengths)))
    assert all(sum(lengths[index] for index in row) <= 20 for row in rows)


def test_an_example_longer_than_a_row_is_refused() -> None:
    with pytest.raises(ModelError, match="longer rows"):
        first_fit([21], 20)


def test_packed_examples_do_not_see_one_another() -> None:
    batch = pack([([1, 2], [3, 4]), ([5], [6])], row=8)
    assert batch.ids.tolist() == [[1, 2, 3, 4, 5, 6, 0, 0]]
    assert batch.positions.tolist() == [[0, 1, 2, 3, 0, 1, 0, 0]]
    assert batch.labels.tolist() == [[IGNORED, 3, 4, IGNORED, 6, IGNORED, IGNORED, IGNORED]]
    looks = batch.mask[0, 0]
    assert looks[:4, :4].equal(torch.ones(4, 4, dtype=torch.bool).tril())
    assert not looks[4:6, :4].any()
    assert looks.any(dim=1).all()  # padding looks at padding: a row that may look nowhere would be NaN


def test_stages_and_rates() -> None:
    assert [stage_at(recipe(), step)[0].name for step in (0, 3, 4, 9)] == ["a", "a", "b", "b"]
    with pytest.raises(IndexError):
        stage_at(recipe(), 10)
    assert [rate_at(STAGES[0], step) for step in range(4)] == [0.5, 1.0, 1.0, 0.75]


def test_shipped_recipes_differ_in_their_dials_only() -> None:
    steps, direct = RECIPES["organism-steps"], RECIPES["organism-direct"]
    assert (steps.worked_share, direct.worked_share) == (0.65, 0.10)
    assert steps.shape == direct.shape
    assert [diet.family for diet in steps.diets] == [diet.family for diet in direct.diets]


def test_the_forked_pair_differs_in_its_mode_alone() -> None:
    forked, twin = (RECIPES[name].model_dump() for name in ("organism-forked", "organism-forked-twin"))
    different = {key for key in forked if forked[key] != twin[key]}
    assert different == {"name", "description", "worked_share", "fork"}
    assert forked["worked_share"] + twin["worked_share"] == pytest.approx(1.0)


@pytest.mark.parametrize(("family", "levels"), [("chian", (1,)), ("chain", (99,)), ("chain", ())])
def test_a_diet_of_unknown_things_is_refused(family: str, levels: tuple[int, ...]) -> None:
    with pytest.raises(ValidationError, match=r"did you mean 'chain'|has levels 1 to 8"):
        Diet(family=family, levels=levels, weight=1.0)


def test_pass_at_k_against_its_definition() -> None:
    marks = [True, False, False, True, False]
    rng = random.Random(0)
    drawn = [any(rng.sample(marks, 2)) for _ in range(20_000)]
    assert pass_at_k(5, 2, 2) == pytest.approx(sum(drawn) / len(drawn), abs=0.01)
    assert (pass_at_k(4, 0, 4), pass_at_k(4, 1, 4)) == (0.0, 1.0)


@given(st.text(alphabet=CHARACTERS))
def test_tokenizer_is_one_character_one_token(text: str) -> None:
    tokenizer = TOKENIZER
    ids = tokenizer(text)["input_ids"]
    assert len(ids) == len(text)
    assert tokenizer.decode(ids) == text


def test_tokenizer_reads_unknown_characters_as_unknown() -> None:
    assert TOKENIZER("7é")["input_ids"] == [TOKENIZER.convert_tokens_to_ids("7"), TOKENIZER.unk_token_id]
    assert TOKENIZER.chat_template is None
    assert len({TOKENIZER.pad_token_id, TOKENIZER.eos_token_id, TOKENIZER.unk_token_id}) == 3


TOKENIZER = character_tokenizer(context=64)


def test_larger_organisms_differ_from_the_small_one_in_shape_and_rates_alone() -> None:
    small = RECIPES["organism-steps"].model_dump()
    for name, recipe in SIZED.items():
        own = recipe.model_dump()
        differing = {key for key in small if own[key] != small[key]}
        assert differing == {"name", "description", "shape", "stages"} and own["name"] == name
        share = small["shape"]["width"] / own["shape"]["width"]
        for stage, before in zip(own["stages"], small["stages"], strict=True):
            scaled = {key: share * before[key] for key in ("learning_rate", "final_rate")}
            assert stage == before | scaled


@pytest.mark.parametrize(("name", "millions"), [("1m", 1), ("3m", 3), ("10m", 10)])
def test_a_larger_organism_has_the_parameters_of_its_name(name: str, millions: int) -> None:
    shape, vocabulary = SIZED[f"organism-steps-{name}"].shape, len(character_tokenizer(256))
    layer = 4 * shape.width**2 + 3 * shape.width * shape.feed_forward + 2 * shape.width
    parameters = vocabulary * shape.width + shape.layers * layer + shape.width
    assert parameters == pytest.approx(1e6 * millions, rel=0.05)
    with torch.device("meta"):
        model = new_model(SIZED[f"organism-steps-{name}"], character_tokenizer(256))
    assert model.num_parameters() == parameters
