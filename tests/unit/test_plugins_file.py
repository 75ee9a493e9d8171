"""Plug-ins from a file: what is found in one, what is refused in one sentence, and what of it enters a cell's id."""

import json
import pickle
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rlvr_bench.cli.entry import _sentence
from rlvr_bench.cli.main import app
from rlvr_bench.experiment.cell import Cell
from rlvr_bench.experiment.errors import ExperimentError
from rlvr_bench.experiment.experiment import load
from rlvr_bench.experiment.grid import cells
from rlvr_bench.experiment.plugin_files import use_planned
from rlvr_bench.methods.errors import MethodError
from rlvr_bench.methods.registry import create
from rlvr_bench.plugins.file import PluginError, forget, use
from rlvr_bench.tasks import rewards
from rlvr_bench.tasks.errors import TaskError
from rlvr_bench.tasks.registry import create as create_task
from rlvr_bench.tasks.rewards import RewardContext

PLUGIN = '''
from typing import ClassVar, Literal

from rlvr_bench.experiment.measurements import MeasurementSettings
from rlvr_bench.methods.full.bitfit import Bitfit
from rlvr_bench.tasks.registry import TaskKind
from rlvr_bench.tasks.registry import find

def short(completions, problems):
    """Pays for short completions."""
    return [1.0 / (1 + len(text)) for text in completions]

def wrong(completions, problems):
    return [1.0]

class Mine(Bitfit):
    """Biases, once more."""

    type: Literal["mine"] = "mine"

class Unfinished(Bitfit):
    type: Literal["unfinished"] = "unfinished"
    source = ""

class WordCount(MeasurementSettings):
    implementation: ClassVar[str] = f"{__name__}:Counter"

my_task = find("chain")
'''

FILE = """
name = "mine"
seeds = [0]
bases = ["organism-steps"]
{plugins}
[task]
name = "chain"
levels = [2]
train = 64
validation = 4
test = 4
[signal]
type = "rlvr"
steps = 1
[methods.{method}]
learning_rate = 1e-3
"""


@pytest.fixture(autouse=True)
def no_files() -> Iterator[None]:
    forget()
    yield
    forget()


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    path = tmp_path / "my.py"
    path.write_text(PLUGIN)
    return path


def _cell(folder: Path, plugins: str, method: str = "lora") -> Cell:
    path = folder / "mine.toml"
    path.write_text(FILE.format(plugins=plugins, method=method))
    (cell,) = cells(load(str(path)))
    return cell


def _context(count: int) -> RewardContext:
    return RewardContext(create_task({"name": "chain"}), 0, 0, range(count), [], [])


def test_a_file_offers_a_method_a_task_and_a_measurement_under_their_own_names(plugin: Path) -> None:
    use(plugin)
    assert create({"type": "mine"}).type == "mine"
    from rlvr_bench.experiment.measurements import REGISTRY
    from rlvr_bench.tasks.registry import TASKS

    assert "my-task" in TASKS.names() and REGISTRY.settings_class("word_count").__name__ == "WordCount"
    assert not (plugin.parent / "__pycache__").exists()
    with pytest.raises(MethodError, match=r"method 'unfinished' of .*my\.py lacks source; add them to the class"):
        create({"type": "unfinished"})


def test_a_function_of_a_file_is_a_reward_and_what_it_returns_is_checked(plugin: Path) -> None:
    use(plugin)
    problem = create_task({"name": "chain", "levels": [2], "train": 1}).problems("train")[0]
    assert rewards.create("my.py:short")(["", "abc"], [problem] * 2, _context(2)) == [1.0, 0.25]
    both = {"name": "and", "rewards": ["my.py:short", "exact"]}
    assert [file.path for file in rewards.plugin_files(both)] == [plugin]
    with pytest.raises(TaskError, match=r"reward 'my.py:wrong' returned \[1.0\] for 2 completions; return a list of"):
        rewards.create("my.py:wrong")(["a", "b"], [problem] * 2, _context(2))
    with pytest.raises(TaskError, match=r"has no 'shrt'; did you mean 'short'\?"):
        rewards.create("my.py:shrt")
    with pytest.raises(TaskError, match="its file is not here; give its path with --plugin"):
        rewards.create("other.py:short")


def test_only_cells_that_use_a_file_have_its_hash_in_their_id(tmp_path: Path, plugin: Path) -> None:
    plain = _cell(tmp_path, "")
    unused = _cell(tmp_path, 'plugins = ["my.py"]')
    assert unused.id == plain.id and unused.plugins == {} and unused.plugin_paths == ()
    paid = _cell(tmp_path, 'reward = "my.py:short"')
    own = _cell(tmp_path, 'plugins = ["my.py"]', "mine")
    assert set(paid.plugins) == {"reward my.py"} and set(own.plugins) == {"method"}
    assert own.plugin_paths == (plugin,) and str(tmp_path) not in json.dumps(own.model_dump(mode="json"))
    assert own.comparison == plain.comparison != paid.comparison
    plugin.write_text(PLUGIN + "\n# another content\n")
    assert _cell(tmp_path, 'reward = "my.py:short"').id != paid.id
    changed = _cell(tmp_path, 'plugins = ["my.py"]', "mine")
    assert changed.id != own.id and changed.comparison == own.comparison
    with pytest.raises(PluginError, match=r"plug-in my\.py changed after the run was planned"):
        use_planned(own.plugins, own.plugin_paths)


def test_another_process_finds_the_file_by_the_cell_alone(tmp_path: Path, plugin: Path) -> None:
    cell = _cell(tmp_path, 'plugins = ["my.py"]\nreward = "my.py:short"', "mine")
    (tmp_path / "cell").write_bytes(pickle.dumps(cell))
    code = (
        "import pickle, sys; cell = pickle.load(open(sys.argv[1], 'rb'))\n"
        "from rlvr_bench.experiment.plugin_files import use_planned\n"
        "use_planned(cell.plugins, cell.plugin_paths)\n"
        "from rlvr_bench.methods.registry import create; from rlvr_bench.tasks import rewards\n"
        "print(cell.id, create(cell.method).type, rewards.find(cell.reward['name']).description)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "cell")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == f"{cell.id} mine Pays for short completions.\n"


def test_where_a_file_lies_changes_no_id(tmp_path: Path, plugin: Path) -> None:
    here = _cell(tmp_path, 'reward = "my.py:short"').id
    (tmp_path / "below").mkdir()
    shutil.move(plugin, tmp_path / "below" / "my.py")
    forget()
    assert _cell(tmp_path, 'reward = "below/my.py:short"').id == here


def test_a_file_that_cannot_be_used_is_one_sentence(tmp_path: Path, plugin: Path) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("raise ZeroDivisionError('not today')\n")
    with pytest.raises(PluginError, match=r"broken\.py cannot be imported \(ZeroDivisionError: not today\); mend it"):
        use(broken)
    assert "rlvr_bench_plugin_broken" not in sys.modules
    with pytest.raises(PluginError, match=r"nowhere\.py is no Python file; give the path of one that ends in \.py"):
        use(tmp_path / "nowhere.py")
    use(plugin)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "my.py").write_text("x = 1\n")
    with pytest.raises(PluginError, match="have one name and differ; rename one of them"):
        use(tmp_path / "other" / "my.py")
    assert _sentence(PluginError("a sentence")) == ("a sentence", 2)
    with pytest.raises(ExperimentError, match="plugins = 3"):
        _cell(tmp_path, "plugins = 3")


def test_verbs_take_a_file(plugin: Path) -> None:
    shown = CliRunner().invoke(app, ["rewards", "show", "my.py:short", "--plugin", str(plugin)], catch_exceptions=False)
    assert "Pays for short completions." in shown.stdout
    listed = CliRunner().invoke(app, ["tasks", "list", "--json", "--plugin", str(plugin)], catch_exceptions=False)
    assert "my-task" in {row["name"] for row in json.loads(listed.stdout)}
