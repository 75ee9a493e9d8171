"""Full fine-tuning: every parameter, the targeted matrices, or what of them lies in chosen layers, moves."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator

from rlvr_bench.methods.base.layers import Layers, checked_layers, chosen_layers, layer_count, layer_of
from rlvr_bench.methods.base.method import Method, Shape, target_weights


class Full(Method):
    """Full fine-tuning with AdamW, of the whole model or of chosen layers and modules."""

    family: ClassVar[str] = "full"
    source: ClassVar[str] = "the reference that every other method is compared with; layers: arXiv 2607.01232"
    formula: ClassVar[str] = "W = W0 + dW, dW unrestricted"
    learning_rates: ClassVar[tuple[float, float]] = (1e-7, 1e-3)
    dials: ClassVar[tuple[str, ...]] = ("train", "layers")
    examples: ClassVar[tuple[dict[str, Any], ...]] = (
        {},
        {"train": "linear"},
        {"layers": "middle"},
        {"train": "linear", "layers": [0]},
    )
    implementation: ClassVar[str] = "rlvr_bench.methods.full.handle:attach_full"

    type: Literal["full"] = "full"
    train: Literal["all", "linear"] = Field(
        default="all",
        description='"all" trains embeddings, norms and biases too; "linear" only the weights of targets, as masks do.',
    )
    layers: Layers | None = Field(
        default=None,
        description="Train only what lies in these decoder layers, counted from 0: a list, a range such as '4-7', or "
        "'middle' (layer n // 2 of n); left out, all of the model.",
    )

    @property
    def shardable(self) -> bool:
        """Nothing but the optimizer acts on the weights."""
        return True

    @field_validator("layers", mode="before")
    @classmethod
    def _one_layer_is_a_list_of_one(cls, layers: Any) -> Any:
        return (layers,) if isinstance(layers, int) and not isinstance(layers, bool) else layers

    @field_validator("layers")
    @classmethod
    def _layers_can_be_read(cls, layers: Layers | None) -> Layers | None:
        return None if layers is None else checked_layers(layers)

    @property
    def depends_on_seed(self) -> bool:
        return False

    @property
    def targets_are_linear(self) -> bool:
        return self.train == "linear"

    def expected_trainable(self, shapes: Mapping[str, Shape]) -> dict[str, Shape | None]:
        expected: dict[str, Shape | None] = dict(shapes)
        if self.train == "linear":
            expected = {f"{path}.weight": shape for path, shape in target_weights(shapes, self.targets).items()}
        if self.layers is not None:
            numbers = chosen_layers(self.layers, layer_count(shapes))
            expected = {name: shape for name, shape in expected.items() if layer_of(name) in numbers}
        return expected


class FullSgd(Full):
    """Full fine-tuning with plain SGD: no momentum, no optimizer state at all."""

    source: ClassVar[str] = "Do We Need Adam?, arXiv 2602.07729"
    formula: ClassVar[str] = "W <- W - lr (g + decay W)"
    learning_rates: ClassVar[tuple[float, float]] = (1e-3, 1e1)
    examples: ClassVar[tuple[dict[str, Any], ...]] = ({},)
    end_checks: ClassVar[tuple[str, ...]] = ("rlvr_bench.methods.full.handle:momentum_problems",)

    type: Literal["full-sgd"] = "full-sgd"  # type: ignore[assignment]

    @property
    def optimizer(self) -> str:
        return "SGD"
