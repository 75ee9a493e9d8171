"""Every verb answers --help at once, `list` and `show` give one JSON document, and tables fit the terminal."""

import json
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import click
import pytest
import typer
from typer.testing import CliRunner

from rlvr_bench.cli.entry import _run
from rlvr_bench.cli.main import app

LISTINGS = ["methods", "tasks", "rewards", "models", "presets", "signals"]
ENTRIES = [
    "methods show lora",
    "tasks show chain",
    "rewards show noisy",
    "models show organism-steps",
    "signals show sft+rlvr",
    "presets show quick",
]


def verbs(group: click.Command, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """The words of every command below a group, the group's own first."""
    below = getattr(group, "commands", {})
    return [path, *(words for name, command in below.items() for words in verbs(command, (*path, name)))]


@pytest.mark.parametrize("words", verbs(typer.main.get_command(app)), ids=" ".join)
def test_every_verb_explains_itself(words: tuple[str, ...]) -> None:
    for flag in ("--help", "-h"):
        done = CliRunner().invoke(app, [*words, flag])
        assert done.exit_code == 0 and "Usage:" in done.output


@pytest.mark.parametrize("words", [["--help"], ["run", "--help"], ["--version"], ["leaderboard", "-h"]])
def test_help_imports_nothing_heavy(words: list[str]) -> None:
    code = (
        "import sys; from rlvr_bench.cli.main import app\n"
        f"try: app({words!r})\n"
        "except SystemExit: print(sorted({'torch', 'pandas', 'scipy', 'numpy', 'transformers'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_version_is_the_distribution_s() -> None:
    done = subprocess.run([sys.executable, "-m", "rlvr_bench", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"rlvr-bench {version('rlvr-bench')}\n"


@pytest.mark.parametrize("words", [*(f"{name} list" for name in LISTINGS), *ENTRIES])
def test_json_is_one_document_and_nothing_else(words: str) -> None:
    done = CliRunner().invoke(app, [*words.split(), "--json"], catch_exceptions=False)
    assert done.exit_code == 0 and json.loads(done.stdout)


@pytest.mark.parametrize("width", [80, 120, 200])
@pytest.mark.parametrize("words", [*(f"{name} list" for name in LISTINGS), *ENTRIES[:-1]])
def test_tables_fit_and_break_no_identifier(words: str, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    shown = CliRunner().invoke(app, words.split(), catch_exceptions=False).stdout
    assert max(map(len, shown.splitlines())) <= width
    if words.endswith("list"):
        rows = json.loads(CliRunner().invoke(app, [*words.split(), "--json"], catch_exceptions=False).stdout)
        names = [row["type"] if "type" in row else row["name"] for row in rows]
        first_words = [line.split(" ")[0] for line in shown.splitlines()]
        assert [word for word in first_words if word in names] == names


@pytest.mark.parametrize(
    "words", ["plan {}", "leaderboard --results {}", "results check --results {}", "report --results {}"]
)
def test_a_path_that_no_system_takes_is_a_sentence(
    words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["rlvr-bench", *words.format("a" * 5000).split()])
    code, said = _run(debug=False), capsys.readouterr().err
    assert code == 2 and "(File name too long); give the path of" in said and len(said) < 400


@pytest.mark.parametrize("words", ["new method loop.py", "methods list --plugin loop.py", "plan ./loop.py"])
def test_a_link_that_leads_to_itself_is_a_sentence(
    words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "loop.py").symlink_to("loop.py")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["rlvr-bench", *words.split()])
    code, said = _run(debug=False), capsys.readouterr().err
    assert code == 2 and "loop.py" in said and "internal error" not in said


def test_an_unknown_preset_gets_the_nearest_name(capsys: pytest.CaptureFixture[str]) -> None:
    done = CliRunner().invoke(app, ["presets", "show", "quikc"])
    assert 'did you mean "quick"' in str(done.exception).replace("'", '"')


def test_a_method_is_shown_with_the_table_that_trains_it() -> None:
    shown = CliRunner().invoke(app, ["methods", "show", "lora"], catch_exceptions=False).stdout
    assert shown.split("[methods.lora]\n")[1].startswith("learning_rate = ") and "required" in shown


def test_a_study_ends_with_its_best_settings_as_toml(capsys: pytest.CaptureFixture[str]) -> None:
    from rlvr_bench.cli.views.sweep import show_sweep

    trial = {"number": 3, "state": "complete", "accuracy": 0.5, "collapsed": 0, "cause": ""}
    settings = {"learning_rate": 0.001, "rank": 8}
    show_sweep(
        {"trials": [trial | {"settings": settings}], "objectives": ["accuracy"], "study": "s", "best": [3]}, "lora"
    )
    assert tomllib.loads("[methods" + capsys.readouterr().out.split("[methods", 1)[1]) == {
        "methods": {"lora": settings}
    }


def test_every_key_of_a_signal_is_shown_with_its_default_and_range() -> None:
    from rlvr_bench.experiment.experiment import Experiment
    from rlvr_bench.experiment.signals import signal_classes

    shown = json.loads(CliRunner().invoke(app, ["signals", "show", "rlvr", "--json"], catch_exceptions=False).stdout)
    keys = {row["key"]: row for row in shown["settings"]}
    fields = type(Experiment.model_fields["signals"].default[0]).model_fields
    changing = {name for name, field in fields.items() if not field.exclude}  # not where this machine finds a server
    assert keys.keys() == changing - {"type"}
    assert keys["steps"] == {"key": "steps", "default": 150, "values": "integer from 1 to 1e+09"}
    assert "vllm" in keys["rollout_backend"]["values"] and list(signal_classes()) == [
        row["name"] for row in json.loads(CliRunner().invoke(app, ["signals", "list", "--json"]).stdout)
    ]


def test_a_preset_s_cells_are_those_of_its_plan() -> None:
    from rlvr_bench.experiment.experiment import load
    from rlvr_bench.experiment.grid import cells

    rows = json.loads(CliRunner().invoke(app, ["presets", "list", "--json"], catch_exceptions=False).stdout)
    counts = {row["name"]: row["cells"] for row in rows}
    assert all(counts[name] == len(cells(load(name))) for name in ("quick", "default", "rewards", "coldstart"))
    assert {row["study"] for row in rows} >= {"core", "gates", "rewards"}
