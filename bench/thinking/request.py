"""A request for parallel thinking: a model, a task and settings, and the subject that they make."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from rlvr_bench.models import base as base_models
from rlvr_bench.models.config import base_named
from rlvr_bench.plugins.settings import explain
from rlvr_bench.tasks import registry as task_registry
from rlvr_bench.thinking.errors import ThinkingError
from rlvr_bench.thinking.settings import ThinkSettings
from rlvr_bench.thinking.subject import Subject


@dataclass(frozen=True, slots=True)
class ThinkRequest:
    """A model by name, the settings of a task, where its data is, and settings of traces and scorers."""

    model: str
    task: Mapping[str, Any]
    data_dir: Path | None
    settings: Mapping[str, Any]

    def with_training_seed(self, seed: int) -> "ThinkRequest":
        """The same request, whose scorers are trained from another seed on the same traces."""
        return replace(self, settings={**self.settings, "scorer": {**self.settings.get("scorer", {}), "seed": seed}})

    def subject(self, model: str | None = None, task: Mapping[str, Any] | None = None) -> Subject:
        """The model on the task, or another of either. Raises ThinkingError for settings that do not do."""
        try:
            settings = ThinkSettings.model_validate(self.settings)
        except ValidationError as error:
            raise ThinkingError(explain(error, ThinkSettings, "think")) from error
        loaded = base_models.load(base_named(model or self.model))
        problem_set = task_registry.create(task or self.task, self.data_dir)
        name = f"{model or self.model}, {json.dumps(dict(task or self.task), sort_keys=True)}"
        return Subject(loaded.model, loaded.tokenizer, problem_set, settings, name)
