"""What an experiment file may say, and the one sentence when it says something else."""

from pathlib import Path

import pytest

from rlvr_bench.experiment.changes import Changes
from rlvr_bench.experiment.errors import ExperimentError
from rlvr_bench.experiment.experiment import Experiment, load, presets

GOOD = """
name = "tiny"
bases = ["organism-steps"]
seeds = [0, 1]

[task]
name = "chain"

[signal]
steps = 4

[methods.full]
learning_rate = 1e-4
"""


def _write(folder: Path, text: str) -> str:
    path = folder / "experiment.toml"
    path.write_text(text)
    return str(path)


def test_a_good_file_is_read(tmp_path: Path) -> None:
    experiment = load(_write(tmp_path, GOOD))
    assert experiment.seeds == (0, 1)
    assert experiment.bases[0].name == "organism-steps"
    assert experiment.rewards == ({"name": "exact"},)
    assert [signal.batch_size for signal in experiment.signals] == [64]
    assert experiment.tasks == ({"name": "chain"},)


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ("seeds = [0, 1]", "seeds = [0, 1, 0]", "seed 0 is there twice"),
        ("seeds = [0, 1]", "seeds = []", "there is no seed"),
        ("seeds = [0, 1]", "sedes = [0, 1]", "unknown key \"sedes\"; did you mean 'seeds'?"),
        ("steps = 4", "stepps = 4", "unknown key \"signal.stepps\"; did you mean 'steps'?"),
        ("steps = 4", "steps = 0", "signal.steps = 0"),
        ("steps = 4", "updates_per_batch = 3", "does not divide the 64 completions"),
        ("steps = 4", "steps = ", "not valid TOML"),
        ('name = "tiny"', "", 'the key "name" is missing'),
        ('[task]\nname = "chain"', "", 'the key "task" is missing'),
        ('[task]\nname = "chain"', 'task = "chain"', "task = 'chain': input should be a valid dictionary"),
        ("steps = 4", 'type = "sfd"', "signal.type = \"sfd\" is unknown; did you mean 'sft'?"),
        ("steps = 4", 'type = "sft"\nstpes = 4', "unknown key \"signal.stpes\"; did you mean 'steps'?"),
        ("steps = 4", 'match = "flops"', 'match = "flops" needs a budget'),
        ("steps = 4", 'steps = 4\n[[signals]]\ntype = "sft"', "[signal] and [[signals]] are both given"),
        ("[signal]\nsteps = 4", '[[signals]]\ntype = "sft"\nstep = 4', 'unknown key "signals.0.step"'),
    ],
)
def test_bad_input_is_one_sentence_with_the_place(tmp_path: Path, before: str, after: str, says: str) -> None:
    path = _write(tmp_path, GOOD.replace(before, after, 1))
    with pytest.raises(ExperimentError) as caught:
        load(path)
    assert says in str(caught.value)
    assert path in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_preset_gets_the_nearest_name() -> None:
    with pytest.raises(ExperimentError, match="did you mean 'quick'"):
        load("quik")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ExperimentError, match="does not exist"):
        load(str(tmp_path / "none.toml"))


@pytest.mark.parametrize("name", sorted(presets()))
def test_every_preset_is_valid_and_named_after_its_file(name: str) -> None:
    experiment = load(name)
    assert isinstance(experiment, Experiment)
    assert experiment.name == name
    assert experiment.description


def test_an_organism_in_place_of_the_base_leaves_every_signal_without_the_keys_for_large_models() -> None:
    changed = load("signals", Changes(base="organism-direct"))
    assert [base.name for base in changed.bases] == ["organism-direct"]
    assert [s.type for s in changed.signals] == [s.type for s in load("signals").signals]
    assert {s.rollout_backend for s in changed.signals} == {"auto"}


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("steps", "did you mean 'signal.steps'?"),
        ("max_new_tokens", "did you mean 'signal.max_new_tokens' or 'evaluate.max_new_tokens'?"),
        ("sedes", "did you mean 'seeds'?"),
    ],
)
def test_a_key_of_a_table_is_named_with_its_table(key: str, hint: str) -> None:
    with pytest.raises(ExperimentError) as refused:
        load("quick", Changes(keys=((key, 4),)))
    assert str(refused.value) == f"--set {key}: there is no such key at the top of an experiment; {hint}"


def test_a_tracker_that_is_not_installed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    experiment = load("quick", Changes(keys=(("signal.report_to", ["wandb"]),)))
    monkeypatch.setattr("rlvr_bench.experiment.experiment.find_spec", lambda name: None)
    with pytest.raises(ExperimentError, match="python -m pip install wandb, or leave it out"):
        experiment.check_trackers()
    load("quick").check_trackers()
