"""Steering: one trained vector per layer, added to what the layer hands on.

A decoder layer hands on the residual stream plus the output of its last linear module (`down_proj` in Llama and Qwen),
so that adding a vector to the layer's output and giving that module a bias are the same thing. The merged model is a
plain one whose module has that bias.
"""

from collections.abc import Mapping
from pkgutil import resolve_name
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from rlvr_bench.methods.base.method import Method, Shape, target_weights

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class Steering(Method):
    """One trained vector per layer, added to the residual stream; every weight stays as it is."""

    family: ClassVar[str] = "bias"
    source: ClassVar[str] = "Steering LLM Reasoning Through Bias-Only Adaptation, arXiv 2505.18706"
    formula: ClassVar[str] = "h_l = layer_l(h_(l-1)) + v_l, v_l trained, starting at 0"
    learning_rates: ClassVar[tuple[float, float]] = (1e-5, 1e-1)
    implementation: ClassVar[str] = "rlvr_bench.methods.steering.handle:attach_steering"
    start_checks: ClassVar[tuple[str, ...]] = ("rlvr_bench.methods.steering.handle:steering_problems",)

    type: Literal["steering"] = "steering"
    targets: tuple[str, ...] = Field(
        default=("down_proj",),
        min_length=1,
        description="Name ending of the module that ends every layer: the last one that writes to the residual stream.",
    )

    @property
    def depends_on_seed(self) -> bool:
        return False

    def refuse_misfit(self, model: "PreTrainedModel") -> None:
        super().refuse_misfit(model)
        resolve_name("rlvr_bench.methods.steering.handle:refuse_inner_ends")(self, model)

    def expected_trainable(self, shapes: Mapping[str, Shape]) -> dict[str, Shape | None]:
        return {f"{path}.steering": (shape[0],) for path, shape in target_weights(shapes, self.targets).items()}
