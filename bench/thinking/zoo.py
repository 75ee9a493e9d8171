"""The scorers that are compared on identical traces: a row each."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from rlvr_bench.console.progress import Report
from rlvr_bench.thinking.other_scorers import HiddenStateScorer
from rlvr_bench.thinking.report import quality
from rlvr_bench.thinking.settings import ScorerSettings
from rlvr_bench.thinking.subject import Subject, Trained
from rlvr_bench.thinking.trace import Trace
from rlvr_bench.thinking.training import Scores, TraceScorer, score


@dataclass(frozen=True, slots=True)
class Recipe:
    """A scorer that learns: what it differs in from the settings' own, and the share of training problems."""

    kind: Literal["probe", "linear", "external"] = "probe"
    changes: Mapping[str, Any] = field(default_factory=dict)
    problems: float = 1.0

    def settings(self, own: ScorerSettings) -> ScorerSettings:
        """The settings' own, with this recipe's changes."""
        return ScorerSettings.model_validate(own.model_dump() | dict(self.changes))

    def build(self, subject: Subject) -> TraceScorer:
        """The untrained scorer."""
        if self.kind != "probe":
            return HiddenStateScorer(subject.model, separate=self.kind == "external")
        return subject.probe(self.settings(subject.settings.scorer))


RECIPES: dict[str, Recipe] = {
    "otv": Recipe(),
    "linear": Recipe("linear", {"learning_rate": 1e-2}),
    "token": Recipe(changes={"rank": 0, "learning_rate": 1e-2}),
    "stop": Recipe(changes={"probe_tokens": 4}),
    "external": Recipe("external", {"learning_rate": 1e-3}),
    "otv-hard": Recipe(changes={"labels": "hard"}),
    "otv-mc": Recipe(changes={"labels": "mc"}),
    "otv-td": Recipe(changes={"labels": "td"}),
    "otv-mse": Recipe(changes={"loss": "mse"}),
    "otv-lower-layers": Recipe(changes={"reach": {"layers": (0.0, 0.5)}}),
    "otv-upper-layers": Recipe(changes={"reach": {"layers": (0.5, 1.0)}}),
    "otv-half-heads": Recipe(changes={"reach": {"heads": (0.0, 0.5)}}),
    "otv-newest-8": Recipe(changes={"reach": {"newest": 8}}),
    "otv-quarter": Recipe(problems=0.25),
    "otv-sixteenth": Recipe(problems=1 / 16),
}


@dataclass(frozen=True, slots=True)
class TrainedScorer:
    """A trained scorer with its scores on the test traces and what is recorded of it."""

    trained: Trained
    scores: Scores
    probe_tokens: int
    record: dict[str, Any]


def train_and_score(name: str, recipe: Recipe, subject: Subject, report: Report) -> TrainedScorer:
    """Train one scorer and score the test traces."""
    settings = recipe.settings(subject.settings.scorer)
    started = time.perf_counter()
    # A run of `think` finds the settings' own probe in the cache.
    own = recipe == RECIPES["otv"]
    trained = subject.otv(report) if own else subject.train(recipe.build(subject), settings, recipe.problems, report)
    seconds = time.perf_counter() - started
    scores = scored(subject, trained.scorer)
    learnt = [tensor for tensor in trained.scorer.trained().values() if tensor.requires_grad]
    record = {
        "name": name,
        "kind": recipe.kind,
        "settings": settings.model_dump(mode="json"),
        "training_problems_share": recipe.problems,
        "trained_parameters": sum(tensor.numel() for tensor in learnt),
        "seconds_training": seconds if trained.is_new else None,
        "validation_brier": trained.fit.validation_brier if trained.fit else None,
        "kept_epoch": trained.fit.best_epoch + 1 if trained.fit else None,
        **quality(scores, subject.traces("test"), probability=True),
    }
    return TrainedScorer(trained, scores, settings.probe_tokens if recipe.kind == "probe" else 0, record)


def scored(
    subject: Subject, scorer: TraceScorer, split: Literal["validation", "test"] = "test", stride: int | None = None
) -> Scores:
    """Scores of a split's traces, by default at the settings' own stride; replayed policies need every position."""
    return score_traces(subject, scorer, subject.traces(split), stride or subject.settings.scorer.stride)


def score_traces(subject: Subject, scorer: TraceScorer, traces: Sequence[Trace], stride: int) -> Scores:
    """Scores of any traces at every `stride`-th position and the last."""
    return score(scorer, traces, stride, subject.settings.scorer.batch_size, subject.model.device)
