"""The measurement `prompt_range`: the untrained base under every prompt style, greedily, on the test split."""

from rlvr_bench.evaluate.measurements import PromptRange
from rlvr_bench.evaluate.scores import base_score
from rlvr_bench.measure.context import CellContext, TrainedModel
from rlvr_bench.measure.measurement import Measurement
from rlvr_bench.record.schema import Score
from rlvr_bench.tasks.prompts import STYLES


class PromptRangeOfCell(Measurement[PromptRange]):
    """Scores of the base by prompt style, from the cache where it has them."""

    def before(self, context: CellContext) -> None:
        """See `Measurement`."""
        evaluate = context.cell.evaluate
        settings_by_style = {style: evaluate.model_copy(update={"prompt": style, "samples": 0}) for style in STYLES}
        self._scores = {
            style: base_score(context.loaded, context.task, "test", settings, context.backend)
            for style, settings in settings_by_style.items()
        }

    def after(self, context: CellContext, trained: TrainedModel) -> dict[str, Score]:
        """See `Measurement`."""
        return self._scores
