"""One model on one task, with its traces: everything that a scorer is trained and tested on."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from rlvr_bench.console.progress import Report
from rlvr_bench.generate.backend import Backend, create_for
from rlvr_bench.methods.base.digest import combined_digest, digests
from rlvr_bench.tasks.problem import Problem, Split
from rlvr_bench.tasks.task import Task
from rlvr_bench.thinking import hygiene, trace_file
from rlvr_bench.thinking.confidence import trace_confidences
from rlvr_bench.thinking.errors import ThinkingError
from rlvr_bench.thinking.monte_carlo import Values, continuation_values, spread_positions
from rlvr_bench.thinking.prefixes import LIMIT_BYTES, Prefixes
from rlvr_bench.thinking.probe import Probe, check_window
from rlvr_bench.thinking.proof import refuse_unproved
from rlvr_bench.thinking.sampling import Asker
from rlvr_bench.thinking.settings import ScorerSettings, ThinkSettings
from rlvr_bench.thinking.store import is_saved, load, save, saved_fit
from rlvr_bench.thinking.trace import Trace, at_share
from rlvr_bench.thinking.training import Fit, TraceScorer, fit

Part = Split | Literal["calibration"]


@dataclass(frozen=True, slots=True)
class Trained:
    """A scorer with how its training went, as far as that is known, and whether it was trained just now."""

    scorer: TraceScorer
    fit: Fit | None
    is_new: bool = True


class Subject:
    """A model on a task's problems.

    Raises ThinkingError where the architecture cannot be probed, or a prompt, its trace and the probe do not fit it.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        task: Task,
        settings: ThinkSettings,
        name: str,
        backend: Backend | None = None,
    ) -> None:
        refuse_unproved(model)
        self.settings, self.name = settings, name
        self.asker = Asker(model, tokenizer, task, settings.traces, backend or create_for("auto", model))
        longest = max(map(len, self.asker.prompts(self.problems("test"))))
        check_window(model, longest + settings.traces.max_new_tokens + settings.scorer.probe_tokens)

    @property
    def model(self) -> PreTrainedModel:
        """The model that makes the traces, and whose cache is read."""
        return self.asker.model

    @cached_property
    def prefixes(self) -> Prefixes:
        """What the model says of traces."""
        return Prefixes(self.model, LIMIT_BYTES)

    @cached_property
    def digest(self) -> str:
        """Hash of the model's weights."""
        return combined_digest(digests(self.model.named_parameters()))

    def problems(self, part: Part) -> list[Problem]:
        """The first problems of a split, as many as the settings ask for; all behind those of validation to calibrate.

        Validation problems choose the epoch of a probe; what a promise rests on must not have chosen anything.
        """
        if part == "calibration":
            return self.asker.task.problems("validation")[self.settings.traces.validation_problems :]
        count = getattr(self.settings.traces, f"{part}_problems")
        problems = self.asker.task.problems(part)[:count]
        if not problems:
            raise ThinkingError(f"task {self.asker.task.name!r} has no {part} problems; choose a task with all splits")
        return problems

    def traces(self, part: Part, samples: int | None = None) -> list[Trace]:
        """The traces of a part, from the cache where it has them; `samples` a problem, by default the settings' own."""
        count = self.settings.traces.samples if samples is None else samples
        make = partial(self.asker.sample, self.problems(part), count)
        return trace_file.cached_traces(trace_file.key(self._traces_identity(part, count)), make)

    def test_confidences(self) -> list[list[float]]:
        """The confidence of every token of the test traces; no training changes it, so it is kept with the traces."""
        batch_size = self.settings.scorer.batch_size
        identity = {"confidences": self._traces_identity("test", self.settings.traces.samples), "batch": batch_size}
        make = partial(trace_confidences, self.model, self.traces("test"), batch_size)
        confidences: list[list[float]] = trace_file.cached_values(trace_file.key(identity), make)
        return confidences

    def test_middle_values(self, problems: int) -> Values:
        """Monte-Carlo values at the middle of the traces of the first test problems; kept as the confidences are."""
        samples, rollouts = self.settings.traces.samples, self.settings.scorer.mc_rollouts
        traces = self.traces("test")[: problems * samples]
        identity = {"middle": self._traces_identity("test", samples), "traces": len(traces), "rollouts": rollouts}

        def make() -> list[tuple[str, tuple[int, ...], float]]:
            values = self.values_at(traces, [[at_share(0.5, trace.fed)] for trace in traces], rollouts)
            return [(problem, read, value) for (problem, read), value in values.items()]

        kept = trace_file.cached_values(trace_file.key(identity), make)
        return {(problem, tuple(read)): value for problem, read, value in kept}

    def _traces_identity(self, part: Part, samples: int) -> dict[str, Any]:
        """What changes the traces of a part."""
        counts = {"train_problems", "validation_problems", "test_problems"}
        filters = {"min_share", "max_share", "balance", "batch_size"}
        settings = self.settings.traces.model_copy(update={"samples": samples})
        return {
            "model": self.digest,
            "task": self.asker.task.fingerprint(),
            "split": part,
            "problems": len(self.problems(part)),
            "settings": settings.model_dump(mode="json", exclude=counts | filters),
            "backend": self.asker.backend.name,
        }

    @cached_property
    def fair(self) -> list[Trace]:
        """Training traces of problems that are neither too hard nor too easy; none of a test problem."""
        traces, settings = self.traces("train"), self.settings.traces
        held_out = {problem.id for problem in self.asker.task.problems("test")}
        hygiene.refuse_overlap([*traces, *self.traces("validation")], held_out)
        return hygiene.of_fair_difficulty(traces, settings.min_share, settings.max_share)

    def train(
        self,
        scorer: TraceScorer,
        settings: ScorerSettings,
        share: float = 1.0,
        report: Report = lambda message, done: None,
    ) -> Trained:
        """Train a scorer on the fair traces, or on those of a share of their problems."""
        traces = self._of_share(share)
        weights = hygiene.weighted(traces, self.settings.traces.balance)
        values = None
        if settings.labels == "mc":
            places = [spread_positions(trace.fed, settings.mc_positions) for trace in weights]
            values = self.values_at(list(weights), places, settings.mc_rollouts)
        offset = hygiene.log_odds_of_correct(traces) if self.settings.traces.balance else 0.0
        validation = self.traces("validation")
        return Trained(scorer, fit(scorer, weights, validation, settings, self.model.device, values, offset, report))

    def probe(self, settings: ScorerSettings) -> Probe:
        """An untrained probe; all of one subject read the same traces, which the base reads once."""
        return Probe.of(self.model, settings, self.prefixes)

    @cached_property
    def otv_folder(self) -> Path:
        """Where the probe of the settings is kept."""
        identity = {
            "model": self.digest,
            "task": self.asker.task.fingerprint(),
            "settings": self.settings.model_dump(mode="json"),
            "backend": self.asker.backend.name,
        }
        return trace_file.folder(trace_file.key(identity))

    @property
    def otv_is_saved(self) -> bool:
        """Whether the probe of the settings need not be trained."""
        return is_saved(self.otv_folder)

    def otv(self, report: Report = lambda message, done: None) -> Trained:
        """The probe of the settings, from the cache where it is there."""
        if (cached := load(self.model, self.otv_folder)) is not None:
            return Trained(cached, saved_fit(self.otv_folder), is_new=False)
        probe = self.probe(self.settings.scorer)
        trained = self.train(probe, self.settings.scorer, report=report)
        save(probe, trained.fit, self.settings.scorer, self.otv_folder)
        return trained

    def values_at(self, traces: Sequence[Trace], places: Sequence[Sequence[int]], rollouts: int) -> Values:
        """Monte-Carlo values at positions of training or test traces."""
        problems = {problem.id: problem for problem in [*self.problems("train"), *self.problems("test")]}
        return continuation_values(self.asker, problems, traces, places, rollouts)

    def _of_share(self, share: float) -> list[Trace]:
        """The fair traces of the first problems."""
        problems = list(dict.fromkeys(trace.problem for trace in self.fair))
        share_ids = set(problems[: max(1, round(share * len(problems)))])
        return [trace for trace in self.fair if trace.problem in share_ids]
