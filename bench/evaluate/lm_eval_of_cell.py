"""The measurement `lm_eval`: base and tuned model on tasks of lm-evaluation-harness, for forgetting and transfer."""

import hashlib
import json
import math
from importlib.metadata import version
from typing import Any

import lm_eval.evaluator
from pydantic import TypeAdapter
from transformers import PreTrainedModel

from rlvr_bench.evaluate.greedy import quiet
from rlvr_bench.evaluate.lm import BackendLM
from rlvr_bench.evaluate.lm_eval_tasks import SEED, fingerprint, load_tasks
from rlvr_bench.evaluate.measurements import LmEval
from rlvr_bench.generate import matmul
from rlvr_bench.generate.backend import Backend
from rlvr_bench.measure.context import CellContext, TrainedModel
from rlvr_bench.measure.measurement import Measurement
from rlvr_bench.record.cache import cache_dir, computed_once

_CODE_VERSION = 1
_BOOTSTRAPS = 1000
"""For metrics whose standard error has no formula; that of a mean has one."""

_IN_TASKS = {"include_path", "data_files", "max_new_tokens"}
"""Settings that the tasks' own fingerprint holds."""

Metrics = dict[str, dict[str, float | None]]
"""By task or group, then by lm-eval's name of the metric and its filter: "acc,none", "acc_stderr,none"."""

_METRICS = TypeAdapter(Metrics)


class LmEvalOfCell(Measurement[LmEval]):
    """Metrics of both models; the base's from the cache where it has them."""

    def before(self, context: CellContext) -> None:
        """See `Measurement`; whatever data the tasks need are had before anything is trained."""
        with quiet():
            self._tasks = load_tasks(self.settings, context.cell.data_dir)
        self._base = computed_once(
            cache_dir() / "lm_eval" / f"{self._identity(context)}.json",
            _METRICS.validate_json,
            lambda: self._scored(context, context.loaded.model, context.backend),
            lambda metrics: _METRICS.dump_json(metrics, indent=1).decode(),
        )

    def after(self, context: CellContext, trained: TrainedModel) -> dict[str, Any]:
        """See `Measurement`."""
        with trained.handle.rollout_weights() as model:
            tuned = self._scored(context, model, trained.backend)
        return {"lm_eval": version("lm-eval"), "base": self._base, "tuned": tuned}

    def _scored(self, context: CellContext, model: PreTrainedModel, backend: Backend) -> Metrics:
        for task in self._tasks["tasks"].values():
            task.set_fewshot_seed(seed=SEED)  # both models see the same examples
        lm = BackendLM(model, context.loaded.tokenizer, backend, context.cell.evaluate.batch_size, cut_prompts=True)
        with quiet():
            report = lm_eval.evaluator.evaluate(
                lm,
                self._tasks,
                limit=self.settings.limit,
                bootstrap_iters=_BOOTSTRAPS,
                log_samples=False,
                apply_chat_template=self.settings.apply_chat_template,
                fewshot_as_multiturn=self.settings.apply_chat_template,  # as `lm_eval run` has it
            )
        return {name: _numbers(metrics) for name, metrics in report["results"].items()}

    def _identity(self, context: CellContext) -> str:
        """16 hex digits of the hash of all that changes the base's metrics, library versions included."""
        content = {
            "code": _CODE_VERSION,
            "libraries": {name: version(name) for name in ("lm-eval", "torch", "transformers")},
            "base": context.loaded.fingerprint,
            "tasks": fingerprint(self._tasks, self.settings.limit),
            "settings": self.settings.model_dump(mode="json", exclude=_IN_TASKS),
            "backend": context.backend.name,
            "products": matmul.library(),
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def _numbers(metrics: dict[str, Any]) -> dict[str, float | None]:
    """The metrics of one task; None where lm-eval has no number, such as the standard error of one problem."""
    return {
        name: float(value) if isinstance(value, int | float) and math.isfinite(value) else None
        for name, value in metrics.items()
        if "," in name
    }
