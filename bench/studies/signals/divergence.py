"""The measurement `divergence`: KL between tuned model and base on the test split of every scored task."""

from rlvr_bench.evaluate.scores import questions
from rlvr_bench.generate.backend import create_for
from rlvr_bench.measure.context import CellContext, TrainedModel
from rlvr_bench.measure.measurement import Measurement
from rlvr_bench.studies.signals.measurements import Divergence
from rlvr_bench.train.divergence import divergence


class DivergenceOfCell(Measurement[Divergence]):
    """By task `kl`, KL(tuned || base) on the tuned model's samples, and `kl_forward`, KL(base || tuned) on the base's.

    k3 estimates in nats per token.
    """

    def after(self, context: CellContext, trained: TrainedModel) -> dict[str, dict[str, float]]:
        """See `Measurement`."""
        cell, reference, tokenizer = context.cell, context.reference, context.loaded.tokenizer
        backends = (trained.backend, create_for(cell.signal.scoring_backend, reference))
        measured: dict[str, dict[str, float]] = {}
        with trained.handle.rollout_weights() as tuned:
            for name, task, split in questions(cell, context.task):
                if split == "test":
                    kl = divergence(tuned, reference, backends, tokenizer, task, cell.evaluate, self.settings.problems)
                    measured[name] = {"kl": kl.reverse, "kl_forward": kl.forward}
        return measured
