"""Every signal with methods of every kind, from one experiment file, to records of one schema."""

from itertools import product
from pathlib import Path

import pytest
from launch_fixture import run, save_tiny_base, write_experiment

from rlvr_bench.leaderboard.standings import leaderboard
from rlvr_bench.record import store
from rlvr_bench.record.schema import RunRecord

SIGNALS = ("rlvr", "sft", "rft", "dpo", "rlhf", "sft+rlvr", "es")
METHODS = ("full", "lora", "pissa", "mask", "svf", "steering", "c3a", "prompt-tuning")
"""A method of each family: weights, adapters, another start, a part of the weights, spectra, vectors, PEFT's."""
EXPERIMENT = """
name = "grid"
seeds = [0]
bases = ["organism-steps"]

[task]
name = "chain"
levels = [4]
train = 16
validation = 8
test = 8

[[signals]]
type = "rlvr"
steps = 2
prompts_per_batch = 2
group_size = 4
max_new_tokens = 32

[[signals]]
type = "sft"
steps = 2
batch_size = 4
shadow_size = 4
max_new_tokens = 32

[[signals]]
type = "rft"
steps = 2
iterations = 2
prompts_per_iteration = 8
batch_size = 4
shadow_size = 4
max_new_tokens = 32

[[signals]]
type = "dpo"
steps = 2
sampled_problems = 8
batch_size = 4
shadow_size = 4
max_new_tokens = 32

[[signals]]
type = "rlhf"
steps = 2
prompts_per_batch = 2
group_size = 4
preference_pairs = 8
reward_model_steps = 2
reward_model_batch = 4
max_new_tokens = 32

[[signals]]
type = "sft+rlvr"
steps = 2
sft_share = 0.5
prompts_per_batch = 2
group_size = 4
max_new_tokens = 32

[[signals]]
type = "es"
steps = 2
population = 4
prompts_per_batch = 4
shadow_size = 4
sigma = 0.02
max_new_tokens = 32

[evaluate]
splits = ["test"]
samples = 0
max_new_tokens = 32

[methods.full]
learning_rate = 1e-4

[methods.lora]
rank = 2
learning_rate = 1e-3

[methods.pissa]
rank = 2
learning_rate = 1e-3

[methods.mask]
select = "random"
density = 0.1
learning_rate = 1e-4

[methods.svf]
learning_rate = 1e-3

[methods.steering]
learning_rate = 1e-3

[methods.c3a]
type = "peft"
peft_type = "C3A"
block_size = 8
learning_rate = 1e-2

[methods.prompt-tuning]
learning_rate = 1e-2
"""


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> list[RunRecord]:
    folder = tmp_path_factory.mktemp("grid")
    (folder / "grid.toml").write_text(EXPERIMENT)
    done = run(folder / "cache", "run", folder / "grid.toml", "--results", folder / "results", "--workers", "2")
    assert done.returncode == 0, done.stderr
    found, problems = store.load_all(folder / "results")
    assert problems == []
    return found


def test_every_signal_trains_every_method_of_one_file(records: list[RunRecord]) -> None:
    assert {(one.keys.signal["type"], one.keys.method_name) for one in records} == set(product(SIGNALS, METHODS))
    assert {one.status for one in records} == {"done"}
    assert all(one.attestation is not None and one.attestation["problems"] == [] for one in records)


def test_each_signal_buys_its_own_kind_of_label_whatever_the_method(records: list[RunRecord]) -> None:
    # 2 steps of 8 completions; 2 iterations of 8 problems x 8 samples; 8 problems x 8 samples once; all 16 solutions
    # before one step of 8 verdicts; 2 steps of 4 models x 4 problems.
    bought = {
        "rlvr": (16, 0, 0),
        "sft": (0, 0, 16),
        "rft": (128, 0, 0),
        "dpo": (64, 0, 0),
        "rlhf": (0, 8, 0),
        "sft+rlvr": (8, 0, 16),
        "es": (32, 0, 0),
    }
    for one in records:
        ledger = one.ledger
        assert ledger is not None and ledger.used_up
        assert (ledger.verdicts, ledger.preference_pairs, ledger.solutions) == bought[one.keys.signal["type"]]
        assert (ledger.generated_tokens > 0) == (one.keys.signal["type"] != "sft")


def test_a_row_says_what_its_budget_counts_and_what_was_bought(records: list[RunRecord]) -> None:
    rows = [standing.row for standing in leaderboard(records) if standing.row["method"] != "base"]
    assert {row["match"] for row in rows} == {"steps 2"}
    assert {(row["signal"], row["labels"]) for row in rows} == {
        ("rlvr", 16), ("sft", 16), ("rft", 128), ("dpo", 64), ("rlhf", 8), ("sft+rlvr", 24), ("es", 32),
    }  # fmt: skip
    assert all(isinstance(row["flops"], float) and row["flops"] > 0 for row in rows)


def test_random_rewards_are_the_same_for_any_number_of_workers(tmp_path: Path) -> None:
    experiment = write_experiment(tmp_path, save_tiny_base(tmp_path / "base"))
    paid = {}
    for workers in ("1", "2"):
        results = tmp_path / f"results-{workers}"
        done = run(tmp_path / f"cache-{workers}", "run", experiment, "--results", results, "--workers", workers)
        assert done.returncode == 0, done.stderr
        found, _ = store.load_all(results)
        paid[workers] = {
            one.cell_id: [(step.reward, step.loss) for step in store.read_steps(store.folder_of(results, one))]
            for one in found
        }
    assert paid["1"] == paid["2"]
    assert len(paid["1"]) == 6 and len({reward for steps in paid["1"].values() for reward, _ in steps}) > 2
