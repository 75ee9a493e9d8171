"""Rewards by label, by form, made of rewards, and falsified: what they pay and what they need."""

import random

import pytest

from rlvr_bench.tasks import registry, rewards
from rlvr_bench.tasks.errors import TaskError
from rlvr_bench.tasks.problem import Problem, Verdict
from rlvr_bench.tasks.rewards import Label, LabelRequest, RewardContext

TASK = registry.create({"name": "chain", "levels": [4], "train": 4, "validation": 4, "test": 4})
PROBLEMS = [Problem(f"{number}+0=?", str(number % 10), "chain") for number in range(400)]
COMPLETIONS = ["1+0=1 #### 1", "#### 1", "#### 7", "1+0=1"]
ONE = [PROBLEMS[1]] * 4


def context(
    completions: list[str], problems: list[Problem], step: int = 0, seed: int = 0, **labels: Label
) -> RewardContext:
    verdicts = [TASK.verify(text, problem) for text, problem in zip(completions, problems, strict=True)]
    by_id = {problem.id: labels["label"] for problem in problems} if labels else {}
    return RewardContext(TASK, seed, step, list(range(len(problems))), verdicts, [False] * len(problems), by_id)


def paid(settings: object, **labels: Label) -> list[float]:
    return rewards.create(settings)(COMPLETIONS, ONE, context(COMPLETIONS, ONE, **labels))  # type: ignore[arg-type]


WORKED = {"name": "strategy", "strategy": "worked"}


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ("exact", [1, 1, 0, 0]),
        ("inverted", [0, 0, 1, 1]),
        ("format", [1, 1, 1, 0]),
        (WORKED, [1, 0, 0, 1]),
        ({"name": "length", "limit": 6}, [1, 1, 1, 5 / 6]),
        ("no-repetition", [1, 1, 1, 1]),
        ({"name": "not", "reward": "exact"}, [0, 0, 1, 1]),
        ({"name": "and", "rewards": ["exact", WORKED]}, [1, 0, 0, 0]),
        ({"name": "and", "rewards": ["format", {"name": "not", "reward": WORKED}]}, [0, 1, 1, 0]),
        ({"name": "weighted", "rewards": ["exact", WORKED], "weights": [1.0, -0.5]}, [0.5, 1, 0, -0.5]),
    ],
)
def test_what_is_paid(settings: object, expected: list[float]) -> None:
    assert paid(settings) == pytest.approx(expected)


RANDOM = {"name": "random", "p": 0.5}
FLIPPED = {"name": "noisy", "reward": "exact", "pattern": "random", "false_positive": 0.5, "false_negative": 0.5}


@pytest.mark.parametrize(
    ("rewards_of_it", "share"),
    [
        ([RANDOM, RANDOM], 1 / 4),
        ([FLIPPED, FLIPPED], 1 / 4),
        ([RANDOM, {"name": "not", "reward": RANDOM}], 1 / 4),
        ([RANDOM, {"name": "and", "rewards": [RANDOM, RANDOM]}], 1 / 8),
        ([{"name": "and", "rewards": [RANDOM, RANDOM]}, RANDOM], 1 / 8),
    ],
)
def test_rewards_that_draw_draw_apart_in_a_combination(rewards_of_it: list[object], share: float) -> None:
    completions = ["#### 1"] * len(PROBLEMS)
    given = context(completions, PROBLEMS)
    both = rewards.create({"name": "and", "rewards": rewards_of_it})(completions, PROBLEMS, given)
    assert sum(both) / len(both) == pytest.approx(share, abs=0.08)


def test_repetition_is_not_paid() -> None:
    completions = ["1+0=1 1+0=1 " * 10, "#### 1"]
    assert rewards.create("no-repetition")(completions, ONE[:2], context(completions, ONE[:2])) == [0.0, 1.0]


def test_a_verifier_error_is_paid_neither_by_exact_nor_by_inverted() -> None:
    given = RewardContext(TASK, 0, 0, [0], [Verdict(False, None, "error")], [False])
    assert [rewards.create(name)(["x"], ONE[:1], given) for name in ("exact", "inverted")] == [[0.0], [0.0]]


@pytest.mark.parametrize("name", ["majority", "incorrect"])
def test_labels_stand_in_for_the_gold_answer(name: str) -> None:
    assert paid(name, label=Label("7", 40, 64, correct=False)) == [0, 0, 1, 0]
    assert paid(name, label=Label("1", 40, 64, correct=True)) == [1, 1, 0, 0]
    with pytest.raises(TaskError, match="no majority label"):
        paid(name)


def test_which_problems_are_trained_on() -> None:
    right, wrong = Label("1", 40, 64, correct=True), Label("7", 40, 64, correct=False)
    kept = {
        name: [rewards.keeps(name, label) for label in (right, wrong, None)]
        for name in ("exact", "majority", "incorrect")
    }
    assert kept == {"exact": [True] * 3, "majority": [True, True, False], "incorrect": [False, True, False]}
    inside = {"name": "and", "rewards": ["format", {"name": "noisy", "reward": "incorrect"}]}
    assert [rewards.keeps(inside, label) for label in (right, wrong, None)] == [False, True, False]


def test_labels_are_asked_for_at_any_depth_and_once() -> None:
    assert rewards.label_request("exact") is None
    assert rewards.label_request("majority") == LabelRequest(64, 0)
    inside = {"name": "not", "reward": {"name": "majority", "samples": 8}}
    assert rewards.label_request(inside) == LabelRequest(8, 0)
    with pytest.raises(TaskError, match="different samples or seeds"):
        rewards.label_request({"name": "and", "rewards": ["majority", inside]})


def test_defaults_of_inner_rewards_are_written_out_and_named() -> None:
    resolved = rewards.resolve({"name": "and", "rewards": ["random", {"name": "not", "reward": "exact"}]})
    assert resolved == {
        "name": "and",
        "rewards": [{"name": "random", "p": 0.5}, {"name": "not", "reward": {"name": "exact"}}],
    }
    assert rewards.title(resolved) == "and-random-0.5-not-exact"
    assert rewards.title(rewards.resolve("random")) == "random-0.5"
    assert rewards.resolve(resolved) == resolved


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"name": "and", "rewards": ["exact"]}, "Reward 'and': .*at least 2"),
        ({"name": "and", "rewards": ["exact", "formt"]}, r"unknown reward 'formt'; did you mean 'format'"),
        ({"name": "weighted", "rewards": ["exact", "format"], "weights": [1.0]}, "1 weights for 2 rewards"),
        ({"name": "not", "reward": {"name": "random", "p": 2.0}}, "Reward 'random': .*less than or equal"),
        ({"name": "strategy", "strategy": "workd"}, r"Unknown strategy 'workd'; did you mean 'worked'"),
        ({"name": "noisy", "pattern": "always"}, "Reward 'noisy': pattern = 'always': input should be"),
        ({"name": "noisy", "false_positive": 1.5}, "Reward 'noisy': .*less than or equal"),
    ],
)
def test_bad_settings_are_one_sentence(settings: dict[str, object], sentence: str) -> None:
    with pytest.raises(TaskError, match=sentence):
        rewards.create(rewards.resolve(settings))


def _flips(settings: dict[str, object], completions: list[str], step: int = 0, seed: int = 0) -> list[bool]:
    given = context(completions, PROBLEMS, step, seed)
    noisy = rewards.create({"name": "noisy"} | settings)(completions, PROBLEMS, given)
    return [one != float(verdict.correct) for one, verdict in zip(noisy, given.verdicts, strict=True)]


RIGHT, WRONG = [f"#### {p.answer}" for p in PROBLEMS], [f"#### {(int(p.answer) + 3) % 10}" for p in PROBLEMS]


@pytest.mark.parametrize("pattern", ["random", "problem", "answer"])
def test_noise_hits_its_own_side_at_its_rate(pattern: str) -> None:
    positive = {"pattern": pattern, "false_positive": 0.3}
    negative = {"pattern": pattern, "false_negative": 0.3}
    assert not any(_flips(positive, RIGHT)) and not any(_flips(negative, WRONG))
    for settings, completions in ((positive, WRONG), (negative, RIGHT)):
        assert 80 < sum(_flips(settings, completions)) < 160  # 120 of 400, give or take four standard deviations


def test_systematic_noise_is_the_same_every_time_and_random_noise_is_not() -> None:
    for pattern, same in (("random", False), ("problem", True), ("answer", True)):
        settings: dict[str, object] = {"pattern": pattern, "false_positive": 0.3}
        assert (_flips(settings, WRONG) == _flips(settings, WRONG, step=1, seed=9)) == same
    others = [f"#### {(int(p.answer) + 4) % 10}" for p in PROBLEMS]
    by_problem, by_answer = ({"pattern": pattern, "false_positive": 0.3} for pattern in ("problem", "answer"))
    assert _flips(by_problem, WRONG) == _flips(by_problem, others)
    assert _flips(by_answer, WRONG) != _flips(by_answer, others)


def test_random_noise_does_not_depend_on_the_batch() -> None:
    reward = rewards.create({"name": "noisy", "false_positive": 0.5, "false_negative": 0.5})
    whole = reward(WRONG, PROBLEMS, context(WRONG, PROBLEMS))
    order = random.Random(1).sample(range(len(PROBLEMS)), len(PROBLEMS))
    for place in order[:50]:
        alone = RewardContext(TASK, 0, 0, [place], [TASK.verify(WRONG[place], PROBLEMS[place])], [False])
        assert reward([WRONG[place]], [PROBLEMS[place]], alone) == [whole[place]]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("random", "random"),
        ({"name": "random", "p": 0.3}, "random p=0.3"),
        ("incorrect", "incorrect"),
        ("strategy", "strategy=worked"),
        ({"name": "and", "rewards": ["exact", {"name": "not", "reward": "format"}]}, "and(exact, not(format))"),
        ({"name": "noisy", "false_positive": 0.3}, "noisy(exact) false_positive=0.3"),
    ],
)
def test_a_phrase_names_what_is_not_at_its_default(settings: object, said: str) -> None:
    assert rewards.phrase(rewards.resolve(settings)) == said


def test_a_reward_that_is_not_installed_is_told_by_its_settings() -> None:
    assert rewards.phrase({"name": "brevity", "limit": 3}) == "brevity limit=3"
