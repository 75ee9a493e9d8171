"""`init`: the file runs as it stands, says what its parts are, and its schema knows the package's own files."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from rlvr_bench.cli.main import app
from rlvr_bench.experiment.errors import ExperimentError
from rlvr_bench.experiment.experiment import load, presets
from rlvr_bench.experiment.grid import cells
from rlvr_bench.experiment.starter import NOTES, OPTIONAL, commented, file_schema


def _init(*words: str) -> Any:
    return CliRunner().invoke(app, ["init", *words])


@pytest.mark.parametrize("preset", sorted(presets()))
def test_a_commented_preset_means_the_same(preset: str) -> None:
    text = presets()[preset].read_text()
    before, after = tomllib.loads(text), tomllib.loads(commented(text, preset, "mine", "mine.toml"))
    assert after == before | {"name": "mine"}


def test_the_file_plans_the_cells_of_its_preset(tmp_path: Path) -> None:
    path = tmp_path / "my first.toml"
    done = _init(str(path), "--from", "quick")
    assert done.exit_code == 0 and done.stdout == f"{path}\n"
    assert load(str(path)).name == "my-first"
    assert [cell.id for cell in cells(load(str(path)))] == [cell.id for cell in cells(load("quick"))]
    lines = path.read_text().splitlines()
    assert lines[0] == "#:schema ./rlvr-bench.schema.json" and (tmp_path / lines[0].split("/")[1]).exists()
    for key in ("seeds", "bases", "rewards", "[task]", "[signal]", "[evaluate]", "[methods."):
        assert lines.count(f"# {NOTES[key]}") == 1
    # The optional keys are those of the file, not of its last table: they work with the # taken away.
    uncommented = path.read_text().replace("# keep_weights", "keep_weights")
    assert OPTIONAL.splitlines()[0] in path.read_text() and tomllib.loads(uncommented)["keep_weights"] is True
    assert isinstance(_init(str(path)).exception, ExperimentError)


def test_what_cannot_be_started_is_one_sentence(tmp_path: Path) -> None:
    assert "did you mean" in str(_init(str(tmp_path / "a.toml"), "--from", "quikc").exception)
    assert "ends in .toml" in str(_init(str(tmp_path / "a.yaml")).exception)
    assert "gives no name" in str(_init(str(tmp_path / "++.toml")).exception)
    assert not list(tmp_path.iterdir())


def test_the_schema_knows_every_key_of_every_preset() -> None:
    properties = file_schema()["properties"]
    for path in presets().values():
        assert tomllib.loads(path.read_text()).keys() <= properties.keys()
    assert file_schema()["required"] == ["name", "bases", "methods"] and file_schema()["additionalProperties"] is False


def test_presets_fit_the_schema_and_misspelt_keys_do_not() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    validator = jsonschema.Draft7Validator(json.loads(json.dumps(file_schema())))
    for path in presets().values():
        document = tomllib.loads(path.read_text())
        assert validator.is_valid(document), f"{path}: {next(validator.iter_errors(document)).message}"
        assert not validator.is_valid(document | {"sedes": [1]})
        tables = [{"name": "gsm8k_cot", "limit": 8}, {"name": "aime24", "limit": 8}]
        assert validator.is_valid(document | {"evaluate": {"lm_eval": tables}})
        assert not validator.is_valid(document | {"evaluate": {"lm_eval": [{"limit": 8}]}})
