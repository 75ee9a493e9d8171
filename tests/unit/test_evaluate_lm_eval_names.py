"""Names of lm-eval's tasks before anything runs: what there is passes, what there is not gets one sentence."""

from pathlib import Path

import pytest

from rlvr_bench.evaluate.measurements import LmEval
from rlvr_bench.experiment.errors import ExperimentError
from rlvr_bench.experiment.measurements import check


@pytest.mark.parametrize("names", [("gsm8k_cot", "arithmetic_1dc"), ("arithmetic",), ("gpqa", "mmlu", "aime24")])
def test_tasks_groups_and_tags_pass(names: tuple[str, ...]) -> None:
    assert LmEval(tasks=names).refusal() is None


def test_an_unknown_name_gets_the_nearest_one() -> None:
    with pytest.raises(ExperimentError, match=r"no task 'gsm8k_cott'; did you mean 'gsm8k_cot'"):
        check({"lm_eval": {"tasks": ["arithmetic", "gsm8k_cott"]}})
    assert "arithmetic_1d'" in str(LmEval(tasks=("arithmetic_1d",)).refusal())


def test_a_folder_of_further_tasks_counts_and_has_to_be_there(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("task: my_very_own_task\n")
    asked = LmEval(tasks=("my_very_own_task",), include_path=str(tmp_path))
    assert asked.refusal() is None
    assert "no task 'my_very_own_task'" in str(LmEval(tasks=asked.tasks).refusal())
    assert "there is no folder" in str(LmEval(tasks=asked.tasks, include_path=str(tmp_path / "no")).refusal())


def test_a_file_that_is_not_there_is_named() -> None:
    asked = LmEval(tasks=("arithmetic_1dc",), data_files={"arithmetic_1dc": "no/such.jsonl"})
    assert "there is no file no/such.jsonl" in str(asked.refusal())


def test_what_is_left_out_is_not_checked() -> None:
    check({"lm_eval": False, "behaviour": True})
