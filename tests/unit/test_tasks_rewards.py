"""Rewards: what they pay, that random ones are reproducible, and that bad settings are one sentence."""

import random
import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlvr_bench.plugins.registry import plugin_entries
from rlvr_bench.tasks import registry, rewards
from rlvr_bench.tasks.errors import TaskError
from rlvr_bench.tasks.problem import Problem, Verdict

TASK = registry.create({"name": "chain", "levels": [4], "train": 4, "validation": 4, "test": 4})
PROBLEMS = [Problem(f"{number}+0=?", str(number), "chain") for number in range(500)]


def context(count: int, seed: int = 0, step: int = 0, indices: list[int] | None = None) -> rewards.RewardContext:
    verdict = Verdict(True, "1", "correct")
    return rewards.RewardContext(TASK, seed, step, indices or [0] * count, [verdict] * count, [False] * count)


def test_exact_pays_for_correct_only() -> None:
    verdicts = [
        Verdict(True, "1", "correct"),
        Verdict(False, "2", "wrong"),
        Verdict(False, None, "unparsed"),
        Verdict(False, None, "error"),
    ]
    given_context = rewards.RewardContext(TASK, 0, 0, [0, 1, 2, 3], verdicts, [False] * 4)
    assert rewards.create("exact")(["", "", "", ""], PROBLEMS[:4], given_context) == [1.0, 0.0, 0.0, 0.0]


def test_format_pays_for_stated_answers_right_or_wrong() -> None:
    completions = ["1+1=2 #### 2", "#### 99", "1+1=2", ""]
    assert rewards.create("format")(completions, PROBLEMS[:4], context(4)) == [1.0, 1.0, 0.0, 0.0]


@given(
    st.floats(0, 1, width=32, allow_subnormal=False), st.integers(0, 10**6), st.integers(0, 10**6), st.integers(1, 8)
)
def test_random_rewards_do_not_depend_on_the_batch(p: float, seed: int, step: int, workers: int) -> None:
    reward = rewards.create({"name": "random", "p": p})
    jobs = [(problem, index) for problem in PROBLEMS[:6] for index in range(4)]
    whole = reward([""] * 24, [problem for problem, _ in jobs], context(24, seed, step, [index for _, index in jobs]))
    shuffled = random.Random(seed).sample(range(24), 24)
    pieces = [shuffled[start::workers] for start in range(workers)]
    apart = {
        place: reward(["other"], [jobs[place][0]], context(1, seed, step, [jobs[place][1]]))[0]
        for piece in pieces
        for place in piece
    }
    assert [apart[place] for place in range(24)] == whole


@pytest.mark.parametrize("p", [0.0, 0.001, 0.3, 0.5, 1.0])
def test_random_rewards_have_their_frequency(p: float) -> None:
    reward = rewards.create({"name": "random", "p": p})
    paid = [pay for step in range(40) for pay in reward([""] * 500, PROBLEMS, context(500, seed=7, step=step))]
    spread = (p * (1 - p) / len(paid)) ** 0.5
    assert abs(sum(paid) / len(paid) - p) <= 5 * spread
    assert set(paid) <= {0.0, 1.0}


def test_random_rewards_differ_by_seed_step_problem_and_sample() -> None:
    reward = rewards.create("random")
    base = reward([""] * 500, PROBLEMS, context(500))
    others = [
        reward([""] * 500, PROBLEMS, context(500, seed=1)),
        reward([""] * 500, PROBLEMS, context(500, step=1)),
        reward([""] * 500, PROBLEMS, context(500, indices=[1] * 500)),
        reward([""] * 500, PROBLEMS[::-1], context(500)),
    ]
    for other in others:
        equal = Counter(one == two for one, two in zip(base, other, strict=True))
        assert 190 < equal[True] < 310  # half of 500, give or take five standard deviations


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ("exakt", r"unknown reward 'exakt'; did you mean 'exact'\?$"),
        ({"name": "random", "P": 0.5}, r"Reward 'random': unknown key \"P\"; did you mean 'p'\?$"),
        (
            {"name": "random", "p": 1.5},
            r"Reward 'random': p = 1\.5: input should be less than or equal",
        ),
        ({"name": "random", "p": "0.5"}, r"p = '0\.5': is a text, not a number"),
        ({"name": "exact", "p": 0.5}, r"Reward 'exact': unknown key \"p\"; choose from name$"),
        ({}, r"A reward needs a name, but None was given"),
    ],
)
def test_bad_settings_are_one_sentence(settings: str | dict[str, object], sentence: str) -> None:
    with pytest.raises(TaskError, match=sentence):
        rewards.create(settings)


def test_reward_of_an_outside_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "outside_reward.py").write_text(
        "from rlvr_bench.tasks.rewards import RewardKind\nfrom rlvr_bench.tasks.settings import Settings\n"
        "def pay(completions, problems, context):\n    return [float(len(one)) for one in completions]\n"
        "longer = RewardKind('pays by length', Settings, lambda settings: pay)\nbroken = 5\n"
    )
    folder = tmp_path / "outside_reward-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: outside-reward\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text(
        "[rlvr_bench.rewards]\nlonger = outside_reward:longer\nodd = outside_reward:broken\n"
        "gone = outside_reward:gone\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    plugin_entries.cache_clear()
    try:
        assert rewards.create("longer")(["abc"], PROBLEMS[:1], context(1)) == [3.0]
        assert "longer" in rewards.names()
        with pytest.raises(TaskError, match=r"'odd' .* is a int; offer a RewardKind"):
            rewards.create("odd")
        with pytest.raises(TaskError, match=r"'gone' .* cannot be imported"):
            rewards.create("gone")
    finally:
        plugin_entries.cache_clear()
        sys.modules.pop("outside_reward", None)
