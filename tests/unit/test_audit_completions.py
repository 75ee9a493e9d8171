"""Logged completions: how they are read, and what the rules say of them."""

from pathlib import Path

import pandas as pd
import pytest

from rlvr_bench.audit.completions import Completion, read_completions
from rlvr_bench.audit.errors import AuditError, LacksData
from rlvr_bench.audit.registry import RULES
from rlvr_bench.audit.rule import Answer
from rlvr_bench.audit.subject import Subject
from rlvr_bench.geometry.checkpoints import Checkpoint

PROMPT = "What is the sum of seven and eight, written as a number?"
GOOD = [Completion(1, PROMPT, f"The sum is {n}.", float(n == 15), {}) for n in range(12, 18)]
BAD = {
    "completions_empty": ["", "  ", "\n"],
    "completions_repeats": ["so " * 40, "12 is 1" + "!" * 60, "a b c d e f g h " * 5],
    "completions_answer": ["I hope this helps", "Sure thing", "of course"],
    "completions_copies": [f"{PROMPT} {n}" for n in range(3)],
    "completions_distinct": ["15", "15", "15"],
}


def judged(rule: str, completions: list[Completion]) -> Answer:
    nothing = Checkpoint(Path("base"), {}, {})
    return RULES.find(rule).judge(Subject("base", "tuned", nothing, completions=tuple(completions)))


@pytest.mark.parametrize("rule", [*BAD, "log_batch"])
def test_good_completions_have_no_fault(rule: str) -> None:
    assert judged(rule, GOOD).verdict in ("ok", "note")


@pytest.mark.parametrize("rule", BAD)
def test_bad_completions_are_a_fault(rule: str) -> None:
    texts = [Completion(3, PROMPT, text, 1.0, {}) for text in BAD[rule]]
    found = {each for each in BAD if judged(each, texts).verdict == "fault"}
    # Empty texts hold no answer either.
    assert found - ({"completions_answer"} if rule != "completions_answer" else set()) == {rule}


def test_a_group_of_one_has_no_advantage() -> None:
    assert judged("log_batch", GOOD[:1]).verdict == "fault"
    assert judged("log_batch", GOOD).numbers == {"completions": 6, "prompts": 1, "group_size": 6.0}


def test_truncation_needs_a_column() -> None:
    with pytest.raises(LacksData, match="finish_reason"):
        judged("completions_truncated", GOOD)
    cut = [Completion(1, PROMPT, "7", 0.0, {"finish_reason": "length"})]
    assert judged("completions_truncated", cut).verdict == "fault"


def test_a_folder_of_trl_s_files_is_read(tmp_path: Path) -> None:
    for step in (1, 2):
        pd.DataFrame(
            {
                "step": [step],
                "prompt": [[{"role": "user", "content": PROMPT}]],
                "completion": ["15"],
                "accuracy_reward": [1.0],
                "format_reward": [0.5],
                "length": [2],
                "advantage": [0.3],
            }
        ).to_parquet(tmp_path / f"completions_{step:05d}.parquet")
    first, second = read_completions([tmp_path])
    assert (first.step, second.step, first.prompt, first.text, first.reward) == (1, 2, PROMPT, "15", 1.5)


def test_what_is_no_table_of_completions_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(AuditError, match=r"holds no \.parquet file"):
        read_completions([tmp_path])
    (tmp_path / "a.parquet").write_bytes(b"PAR1 nothing PAR1")
    with pytest.raises(AuditError, match="no whole parquet file"):
        read_completions([tmp_path])
    pd.DataFrame({"step": [1]}).to_parquet(tmp_path / "a.parquet")
    with pytest.raises(AuditError, match="no columns prompt and completion"):
        read_completions([tmp_path])
