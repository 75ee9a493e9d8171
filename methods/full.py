"""Full fine-tuning: every parameter, or every targeted matrix, moves."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from methods.method import Calibration, Method, Shape, target_weights

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from methods.handle import Handle


class Full(Method):
    """Full fine-tuning with the optimizer that the harness gives it."""

    family: ClassVar[str] = "full"
    source: ClassVar[str] = "the reference that every other method is compared with"
    formula: ClassVar[str] = "W = W0 + dW, dW unrestricted"
    learning_rates: ClassVar[tuple[float, float]] = (1e-7, 1e-3)
    dials: ClassVar[tuple[str, ...]] = ("train",)

    type: Literal["full"] = "full"
    train: Literal["all", "linear"] = Field(
        default="all",
        description='"all" trains embeddings, norms and biases too; "linear" only the weights of targets, as masks do.',
    )

    @property
    def depends_on_seed(self) -> bool:
        return False

    def attach(self, model: "PreTrainedModel", seed: int, calibration: Calibration | None = None) -> "Handle":
        from methods.handle import DenseHandle
        from methods.plain import PlainView
        from methods.targets import linear_targets

        trained = linear_targets(model, self.targets) if self.train == "linear" else None
        view = PlainView(model)
        # float32 master weights; the frozen rest is widened too, since linear layers refuse mixed dtypes
        model.float()
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(trained is None or name.removesuffix(".weight") in trained)
        return DenseHandle(model, view, self, seed)

    def expected_trainable(self, shapes: Mapping[str, Shape]) -> dict[str, Shape | None]:
        if self.train == "all":
            return dict(shapes)
        return {f"{path}.weight": shape for path, shape in target_weights(shapes, self.targets).items()}
