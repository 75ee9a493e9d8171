"""Tasks of lm-evaluation-harness by name, with its own data from the hub or with files in their place.

Reads no model. Their prompts, filters and metrics are lm-eval's; nothing of this package's tasks is in them.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from datasets.exceptions import DatasetsError
from lm_eval.api.task import ConfigurableTask
from lm_eval.evaluator_utils import get_sample_size
from lm_eval.tasks import TaskManager
from lm_eval.tasks._index import Kind
from lm_eval.tasks._yaml_loader import load_yaml

from rlvr_bench.evaluate.measurements import LmEval
from rlvr_bench.experiment.errors import ExperimentError
from rlvr_bench.plugins.suggestion import did_you_mean

SEED = 1234
"""Of the examples in prompts: lm-eval's own default."""

FOLDER = "lm_eval"
"""Below the data folder: `lm_eval/TASK` with a file for each split, or `lm_eval/TASK.jsonl`."""

_FORMATS = {".json": "json", ".jsonl": "json", ".csv": "csv", ".parquet": "parquet"}
_SPLITS = ("training_split", "validation_split", "test_split", "fewshot_split")

_LIMITS = frozenset({"max_gen_toks", "max_new_tokens", "max_tokens", "max_completion_tokens", "max_length"})
"""What tasks call the most tokens of a completion."""

TaskDict = dict[str, Any]
"""What `TaskManager.load` gives: tasks, groups, and which task is in which group."""


def load_tasks(settings: LmEval, data_dir: Path | None) -> TaskDict:
    """The requested tasks, with their data.

    Raises:
        ExperimentError: a name is unknown, a file is not there, or data cannot be loaded from the hub.
    """
    if settings.include_path is not None and not Path(settings.include_path).is_dir():
        raise ExperimentError(f"measurements.lm_eval.include_path: there is no folder {settings.include_path}")
    manager = TaskManager(include_path=settings.include_path)
    task_names = manager.all_tasks
    for name in [*settings.tasks, *settings.data_files]:
        if name not in task_names:
            raise ExperimentError(f"measurements.lm_eval: lm-eval has no task {name!r}{did_you_mean(name, task_names)}")
    task_files = {name: Path(path).expanduser() for name, path in settings.data_files.items()}
    definitions: list[Any] = []
    for name in dict.fromkeys(member for asked in settings.tasks for member in _members(manager, asked)):
        definitions += _load_one(manager, name, task_files.get(name) or _in_data_folder(data_dir, name))
    loaded: TaskDict = manager.load(definitions)
    for task in loaded["tasks"].values():
        _set_examples(task, settings.num_fewshot)
        if settings.max_new_tokens is not None and task.OUTPUT_TYPE == "generate_until":
            _set_limit(task, settings.max_new_tokens)
    return loaded


def fingerprint(loaded: TaskDict, limit: int | None) -> str:
    """SHA-256 over the tasks' settings and the problems that are scored."""
    digest = hashlib.sha256()
    for name, task in sorted(loaded["tasks"].items()):
        digest.update(json.dumps([name, task.dump_config()], sort_keys=True, default=str).encode())
        for _, document in task.doc_iterator(limit=get_sample_size(task, limit)):
            digest.update(json.dumps(document, sort_keys=True, default=str).encode())
    return digest.hexdigest()


def _members(manager: TaskManager, name: str) -> list[str]:
    """The tasks of a tag such as "arithmetic", each of which may have a file of its own; else the name itself."""
    entry = manager.task_index[name]
    return sorted(entry.tags) if entry.kind is Kind.TAG else [name]


def _load_one(manager: TaskManager, name: str, file: Path | None) -> list[Any]:
    """The task or group of a name; raises ExperimentError where its data or a package that it needs cannot be had."""
    try:
        loaded = manager.load([name if file is None else _on_files(manager, name, file)])
    except (ImportError, AssertionError) as error:  # lm-eval asserts versions of packages, as minerva_math's does
        reason = " ".join(str(error).split())[:200]
        raise ExperimentError(
            f"measurements.lm_eval: task {name!r} needs packages that lm-eval does not find here ({reason}): install"
            " them, or leave the task out"
        ) from error
    except (OSError, ValueError, DatasetsError) as error:  # no hub, no such set, no such file
        if isinstance(error, ExperimentError):
            raise
        reason = " ".join(str(error).split())[:200]
        raise ExperimentError(
            f"measurements.lm_eval: the data of task {name!r} cannot be had ({reason}); go online, or give a file:"
            f' data_files.{name} = "...", or {FOLDER}/{name}.jsonl below --data-dir'
        ) from error
    return [loaded["groups"][name]] if name in loaded["groups"] else list(loaded["tasks"].values())


def _in_data_folder(data_dir: Path | None, name: str) -> Path | None:
    if data_dir is None:
        return None
    folder = data_dir / FOLDER
    candidates = (folder / name, *(folder / f"{name}{suffix}" for suffix in _FORMATS))
    return next((path for path in candidates if path.exists()), None)


def _on_files(manager: TaskManager, name: str, path: Path) -> ConfigurableTask:
    """The task with the rows of a file as each of its splits, or with those of the files `SPLIT.*` of a folder."""
    entry = manager.task_index[name]
    config = load_yaml(entry.yaml_path) if entry.yaml_path is not None else {}
    if "class" in config or not isinstance(config.get("task"), str):
        raise ExperimentError(
            f"measurements.lm_eval: {name!r} is a group or a task in Python, whose data cannot be replaced by files;"
            " name its tasks one by one"
        )
    splits = sorted({str(config[key]) for key in _SPLITS if config.get(key)})
    files = {split: _file(path, split) for split in splits}
    formats = {_FORMATS.get(file.suffix) for file in files.values()}
    if None in formats or len(formats) != 1:
        raise ExperimentError(
            f"measurements.lm_eval.data_files.{name}: {path} is not of one format; give {', '.join(_FORMATS)}"
        )
    for key in ("tag", "group", "task_list", "custom_dataset"):
        config.pop(key, None)
    replaced = {
        "dataset_path": formats.pop(),
        "dataset_name": None,
        "dataset_kwargs": {"data_files": {split: str(file) for split, file in files.items()}},
    }
    return ConfigurableTask(config={**config, **replaced})


def _file(path: Path, split: str) -> Path:
    """`path` itself, or the file of a split in that folder; raises ExperimentError where there is none."""
    if path.is_dir():
        path = next(
            (file for suffix in _FORMATS if (file := path / f"{split}{suffix}").exists()), path / f"{split}.jsonl"
        )
    if not path.is_file():
        raise ExperimentError(f"measurements.lm_eval: there is no file {path}; put it there or correct the path")
    return path


def _set_examples(task: Any, number: int | None) -> None:
    """Set how many examples a prompt holds, by the rules of lm-eval's `simple_evaluate`: a task's own 0 stays."""
    own = task.get_config("num_fewshot")
    if own != 0:
        task.set_config(key="num_fewshot", value=(own or 0) if number is None else number)


def _set_limit(task: Any, number: int) -> None:
    """Let a task's completions have so many tokens at most: aime24 asks for 32,768."""
    own = {key: value for key, value in (task.config.generation_kwargs or {}).items() if key not in _LIMITS}
    task.set_config(key="generation_kwargs", value={**own, "max_gen_toks": number})
