"""The verb `rlvr-bench think`: answer problems with several traces, or train and compare the verifiers (`--train`)."""

import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from rlvr_bench.experiment.think import ThinkSettings
from rlvr_bench.models import base as base_models
from rlvr_bench.models.config import BaseConfig
from rlvr_bench.plugins.settings import explain
from rlvr_bench.plugins.suggestion import did_you_mean
from rlvr_bench.record.atomic import replace_whole, write_whole
from rlvr_bench.record.environment import capture
from rlvr_bench.record.numbers import strict_json
from rlvr_bench.tasks import registry as task_registry
from rlvr_bench.thinking import thinking
from rlvr_bench.thinking.aggregate import AGGREGATORS
from rlvr_bench.thinking.confidence import KINDS, group_window
from rlvr_bench.thinking.errors import VerifyError
from rlvr_bench.thinking.live import probe_reader
from rlvr_bench.thinking.policies import DeepConf, Policy
from rlvr_bench.thinking.policies import policy as read_policy
from rlvr_bench.thinking.probe import Probe
from rlvr_bench.thinking.readers import ConfidenceReader, NoReader, Reader
from rlvr_bench.thinking.study import study
from rlvr_bench.thinking.subject import Subject
from rlvr_bench.thinking.view import LiveView
from rlvr_bench.thinking.zoo import RECIPES

LINE_EVERY_SECONDS = 30.0
STDOUT = "-"
CONFIDENCE = "confidence-"
LIVE_VERIFIERS = ("otv", "none", *(CONFIDENCE + kind for kind in KINDS))


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line says of model, task and traces."""

    model: str
    task: Mapping[str, Any]
    data_dir: Path | None
    settings: Mapping[str, Any]

    def subject(self, model: str | None = None, task: Mapping[str, Any] | None = None) -> Subject:
        """The model on the task, or another of either. Raises VerifyError for settings that do not do."""
        try:
            settings = ThinkSettings.model_validate(self.settings)
        except ValidationError as error:
            raise VerifyError(explain(error, ThinkSettings, "think")) from error
        loaded = base_models.load(BaseConfig(name=model or self.model))
        chosen = task_registry.create(task or self.task, self.data_dir)
        name = f"{model or self.model}, {json.dumps(dict(task or self.task), sort_keys=True)}"
        return Subject(loaded.model, loaded.tokenizer, chosen, settings, name)


def think(
    asked: Asked,
    *,
    size: int,
    policy: str,
    verifier: str | None,
    aggregator: str,
    problems: int,
    risk: float | None,
    json_file: str | None,
    parquet: Path | None,
) -> None:
    """Answer the first test problems; a verifier that is not in the cache is trained first."""
    chosen = read_policy(policy)
    name = _verifier_of(chosen, verifier)
    if aggregator not in AGGREGATORS:
        raise VerifyError(f"unknown aggregator {aggregator!r}{did_you_mean(aggregator, AGGREGATORS)}")
    subject, console = asked.subject(), Console(stderr=True)
    reader = _reader(subject, name, console)
    window = group_window(subject.traces("validation")) if name.startswith(CONFIDENCE) else 0
    sure = None if risk is None else thinking.sure_share(subject, size, chosen, reader, aggregator, window, risk)
    if sure == thinking.NEVER_SURE:
        console.print(f"no share of the vote kept the risk at {risk:g} on validation: every answer is withheld")
    documents, rows = [], []
    with LiveView(console) as view:
        for problem in subject.asker.task.problems("test")[:problems]:
            view.title(problem.question)
            document, run = thinking.answer(
                subject, problem, size, chosen, reader, aggregator, window, sure, view.watch
            )
            documents.append(document)
            rows += thinking.rows(run)
    whole = {
        "model": asked.model,
        "task": dict(asked.task),
        "verifier": name,
        "aggregator": aggregator,
        "sure_from": sure,
        "settings": subject.settings.model_dump(mode="json"),
        "summary": thinking.summary(documents, size, chosen),
        "problems": documents,
    }
    if parquet is not None:
        table = pa.Table.from_pylist(rows, schema=thinking.THINK_SCHEMA)
        replace_whole(parquet, lambda temporary: pq.write_table(table, temporary, compression="zstd"))
    _show(whole, json_file)


def train(
    asked: Asked,
    name: str,
    *,
    verifiers: Sequence[str],
    other_tasks: Sequence[Mapping[str, Any]],
    other_models: Sequence[str],
    policies: Sequence[str],
    results: Path,
    pictures: Path | None,
) -> None:
    """Compare verifiers and policies, and write `results/verify/<name>.json`."""
    if odd := [other for other in verifiers if other not in RECIPES]:
        raise VerifyError(f"unknown verifier {odd[0]!r}{did_you_mean(odd[0], RECIPES)}")
    chosen = [read_policy(text) for text in policies]
    started, subject = time.perf_counter(), asked.subject()
    others = [asked.subject(task=task) for task in other_tasks]
    others += [_same_vocabulary(subject, asked.subject(model=model)) for model in other_models]
    with _Bar(Console(stderr=True)) as bar:
        found = study(subject, list(verifiers) or list(RECIPES), others, chosen, bar.report)
    environment = capture().model_dump(mode="json")
    document = {
        "schema_version": 1,
        "name": name,
        "base": asked.model,
        "model": asked.model,
        "task": dict(asked.task),
        "settings": subject.settings.model_dump(mode="json"),
        **found,
        "seconds": time.perf_counter() - started,
        "environment": environment,
    }
    path = results / "verify" / f"{name}.json"
    write_whole(path, strict_json(_rounded(document), indent=1) + "\n")
    print(path)
    if pictures is not None:
        from rlvr_bench.thinking.pictures import draw  # matplotlib takes half a second

        for picture in draw(document, pictures):
            print(picture, file=sys.stderr)


def _verifier_of(policy: Policy, asked: str | None) -> str:
    """The verifier that is asked for or usual. Raises VerifyError for none that there is, or that fits the policy."""
    name = asked or (f"{CONFIDENCE}lowest" if isinstance(policy, DeepConf) else "otv")
    if name not in LIVE_VERIFIERS:
        raise VerifyError(f"unknown verifier {name!r}{did_you_mean(name, LIVE_VERIFIERS)}")
    if isinstance(policy, DeepConf) and name != f"{CONFIDENCE}lowest":
        raise VerifyError(f"policy 'deepconf' goes by confidence-lowest, got verifier {name!r}; leave --verifier out")
    return name


def _reader(subject: Subject, name: str, console: Console) -> Callable[[], Reader]:
    """A maker of what traces are scored by; says where a probe comes from."""
    if name == "none":
        return NoReader
    if name != "otv":
        return partial(ConfidenceReader, name.removeprefix(CONFIDENCE), group_window(subject.traces("validation")))
    folder = subject.otv_folder
    if subject.otv_is_kept:
        console.print(f"probe from the cache: {folder}", highlight=False, soft_wrap=True)
    else:
        console.print("no probe of this model and task in the cache: sampling traces and training one first")
    started = time.perf_counter()
    with _Bar(console) as bar:
        trained = subject.otv(bar.report)
    if trained.fit is not None:
        seconds, best = time.perf_counter() - started, min(trained.fit.validation_brier)
        line = f"probe trained in {seconds:.0f} s on {len(subject.fair)} traces, validation Brier {best:.3f}: {folder}"
        console.print(line, highlight=False, soft_wrap=True)
    assert isinstance(trained.verifier, Probe)
    return probe_reader(subject.asker, trained.verifier)


def _same_vocabulary(subject: Subject, other: Subject) -> Subject:
    if subject.asker.tokenizer.get_vocab() != other.asker.tokenizer.get_vocab():
        raise VerifyError(f"{other.name} has another vocabulary than {subject.name}; choose a model that shares it")
    return other


def _show(whole: dict[str, Any], json_file: str | None) -> None:
    document = strict_json(_rounded(whole), indent=1)
    if json_file == STDOUT:
        print(document)
        return
    if json_file is not None:
        write_whole(Path(json_file), document + "\n")
    console = Console()
    for entry in whole["problems"]:
        mark = "right" if entry["correct"] else "wrong"
        share = "" if entry["share"] is None else f", share {entry['share']:.2f}"
        line = f"{entry['question']}  {entry['answer']} ({mark}, {entry['state']}{share}; {entry['tokens']} tokens)"
        console.print(line, markup=False, highlight=False)
    for key, value in whole["summary"].items():
        console.print(f"{key}: {'-' if value is None else value}", markup=False, highlight=False)


def _rounded(value: Any) -> Any:
    """Floats with six significant digits: what was measured holds no more."""
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value


class _Bar:
    """A bar on a terminal, a line every 30 s without one."""

    def __init__(self, console: Console) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
        self._console = console
        self._progress = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._last = time.monotonic()

    def __enter__(self) -> "_Bar":
        self._progress.start()
        self._task = self._progress.add_task("loading", total=1.0)
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def report(self, message: str, done: float) -> None:
        """Show how far it is."""
        self._progress.update(self._task, description=message, completed=done)
        if not self._console.is_terminal and time.monotonic() - self._last >= LINE_EVERY_SECONDS:
            self._last = time.monotonic()
            self._console.print(f"{done:.0%} {message}", highlight=False, markup=False, soft_wrap=True)
