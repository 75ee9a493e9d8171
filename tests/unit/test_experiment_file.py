"""What an experiment file may say, and the one sentence when it says something else."""

from pathlib import Path

import pytest

from rlvr_bench.experiment.changes import Changes, parsed_keys
from rlvr_bench.experiment.errors import ExperimentError
from rlvr_bench.experiment.experiment import Experiment, load, presets
from rlvr_bench.experiment.grid import cells
from rlvr_bench.experiment.settings import EvaluateSettings

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


def test_an_organism_in_place_of_larger_models_alone_leaves_every_signal_without_the_keys_for_those() -> None:
    name = "published-path-not-taken-lora"
    changed = load(name, Changes(base="organism-direct"))
    assert [base.name for base in changed.bases] == ["organism-direct"]
    assert load(name).signals[0].max_new_tokens > 64
    assert {signal.max_new_tokens for signal in changed.signals} == {64}
    assert {signal.rollout_backend for signal in changed.signals} == {"auto"}
    assert changed.evaluate.batch_size == EvaluateSettings().batch_size


@pytest.mark.parametrize("name", ["reference", "signals", "quick"])
def test_an_organism_of_a_file_with_organisms_gives_the_cells_of_that_file(name: str) -> None:
    whole = cells(load(name), seeds=(0,)) if load(name).protocol is None else []
    changed = load(name, Changes(base="organism-steps"))
    assert [base.name for base in changed.bases] == ["organism-steps"]
    assert (changed.signals, changed.evaluate) == (load(name).signals, load(name).evaluate)
    if whole:
        chosen = {cell.id for cell in whole if cell.base.name == "organism-steps"}
        assert {cell.id for cell in cells(changed, seeds=(0,))} == chosen


def test_a_base_and_a_task_that_the_file_has_keep_their_settings_there() -> None:
    document = {
        "base": {"name": "owner/model", "revision": "abc"},
        "tasks": [{"name": "chain", "levels": [3]}, {"name": "sums"}, {"name": "chain", "levels": [5]}],
        "evaluate": {"extra_tasks": [{"name": "sums"}], "samples": 2},
    }
    changed = Changes("owner/model", "chain").applied(document)
    assert changed["bases"] == [{"name": "owner/model", "revision": "abc"}]
    assert changed["tasks"] == [{"name": "chain", "levels": [3]}, {"name": "chain", "levels": [5]}]
    assert changed["evaluate"] == document["evaluate"]
    other = Changes("owner/other", "trees").applied(document)
    assert (other["bases"], other["task"], other["evaluate"]) == (["owner/other"], {"name": "trees"}, {"samples": 2})
    assert not {"base", "tasks"} & other.keys()


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("steps", "did you mean 'signal.steps'?"),
        ("max_new_tokens", "did you mean 'signal.max_new_tokens' or 'evaluate.max_new_tokens'?"),
        ("sedes", "did you mean 'seeds'?"),
        ("levels", "did you mean 'task.levels'?"),
        ("lora.rank", "did you mean 'methods.lora.rank'?"),
        ("evaluate.steps", "did you mean 'signal.steps'?"),
        ("signal.stepps", "did you mean 'signal.steps'?"),
        ("sginal.group_size", "did you mean 'signal.group_size'?"),
        ("signals.0.steps", "did you mean 'signal.steps'?"),
        ("qqqq", "it has name, description, "),
    ],
)
def test_an_unknown_key_is_answered_with_the_one_that_was_meant(key: str, hint: str) -> None:
    with pytest.raises(ExperimentError) as refused:
        load("quick", Changes(keys=((key, 4),)))
    assert str(refused.value).startswith(f"--set {key}: there is no such key in an experiment; {hint}")


@pytest.mark.parametrize("key", ["signal.steps", "signals.steps"])
def test_a_key_of_an_axis_is_set_in_each_of_its_tables(key: str) -> None:
    assert {signal.steps for signal in load("signals", Changes(keys=((key, 3),))).signals} == {3}
    assert {signal.steps for signal in load("quick", Changes(keys=((key, 3),))).signals} == {3}


def test_an_axis_is_replaced_whole_however_it_is_written() -> None:
    assert load("quick", Changes(keys=(("reward", "format"),))).rewards == ({"name": "format"},)
    assert load("quick", Changes(keys=(("base.revision", "abc"),))).bases[0].revision == "abc"


@pytest.mark.parametrize("written", ["signal.steps", "=4", " = 4"])
def test_what_is_no_key_and_value_is_refused(written: str) -> None:
    with pytest.raises(ExperimentError, match="write KEY=VALUE"):
        parsed_keys([written])


def test_a_tracker_that_is_not_installed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    experiment = load("quick", Changes(keys=(("signal.report_to", ["wandb"]),)))
    monkeypatch.setattr("rlvr_bench.experiment.experiment.find_spec", lambda name: None)
    with pytest.raises(ExperimentError, match="python -m pip install wandb, or leave it out"):
        experiment.check_trackers()
    load("quick").check_trackers()
