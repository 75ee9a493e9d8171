"""The measurement `trajectory`: how fast the policy moved away from the base, and how straight its weights went."""

from rlvr_bench.geometry.kl_growth import kl_growth
from rlvr_bench.geometry.measurements import Trajectory
from rlvr_bench.measure.context import CellContext, TrainedModel
from rlvr_bench.measure.measurement import Measurement


class TrajectoryOfCell(Measurement[Trajectory]):
    """The growth of a cell's KL, and R^2 of a straight line through the way of its trained values."""

    def after(self, context: CellContext, trained: TrainedModel) -> dict[str, float | None]:
        """See `Measurement`."""
        growth = kl_growth(trained.steps)
        return {
            "kl_per_step": growth.per_step,
            "kl_per_reward": growth.per_reward,
            "linearity_r2": trained.linearity_r2,
        }
