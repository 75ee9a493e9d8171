"""Low-rank methods that PEFT lacks: LoRA with starts computed from the base, projected LoRA, and LoRA-XS.

Methods that are LoRA with another start live on PEFT's LoRA layers: `factors` gives A0 and B0, and their product leaves
the base, so that the sum is W0 (where B0 = 0 the base stays as it is):

    W = (W0 - (alpha / rank) B0 A0) + (alpha / rank) B A        A (rank, in), B (out, rank)

OPLoRA and LoRA-XS have a forward pass of their own (see `linear`). All singular components are exact.
"""

from collections.abc import Mapping
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from rlvr_bench.methods.base.matrix_ranks import refuse_above_sides
from rlvr_bench.methods.base.method import Method, Shape, target_weights
from rlvr_bench.methods.peft.method import LowRank

if TYPE_CHECKING:
    from rlvr_bench.methods.low_rank.starts import Factors, Matrix


class StartedLora(LowRank):
    """LoRA whose A and B are computed from the matrix that they adapt, by what `initialisation` points at."""

    implementation: ClassVar[str] = "rlvr_bench.methods.low_rank.attach:attach_started"
    initialisation: ClassVar[str]

    alpha: int | None

    @property
    def depends_on_seed(self) -> bool:
        return False

    @property
    def trains_down(self) -> bool:
        """Whether A is trained, and not only B."""
        return True

    def adapter_fields(self) -> dict[str, Any]:
        return super().adapter_fields() | {"lora_alpha": self.alpha or self.rank, "init_lora_weights": True}

    def fields_on(self, shapes: Mapping[str, Shape]) -> dict[str, Any]:
        refuse_above_sides(target_weights(shapes, self.targets), "rank", self.rank)
        return self.adapter_fields()

    def factors(self, matrix: "Matrix") -> "Factors":
        """Return A (rank, in) and B (out, rank) for one matrix."""
        factors: Factors = resolve_name(self.initialisation)(self, matrix)
        return factors


class SplitLora(StartedLora):
    """LoRA that starts from a part of every matrix, which leaves the frozen base."""

    alpha: int | None = Field(
        default=None,
        ge=1,
        description="Scale of the update; left out it is the rank, so that B A is the part itself, unscaled.",
    )

    @property
    def changes_base(self) -> bool:
        return True


class Milora(SplitLora):
    """LoRA that starts from the smallest singular part of every matrix, which leaves the frozen base."""

    source: ClassVar[str] = "MiLoRA, arXiv 2406.09044"
    formula: ClassVar[str] = (
        "W = (W0 - s B0 A0) + s B A, s = alpha / rank, starting at B0 = U_r S_r^1/2, A0 = S_r^1/2 V_r' (bottom r)"
    )
    learning_rates: ClassVar[tuple[float, float]] = (1e-6, 1e-2)
    initialisation: ClassVar[str] = "rlvr_bench.methods.low_rank.starts:minor"
    start_checks: ClassVar[tuple[str, ...]] = (
        *SplitLora.start_checks,
        "rlvr_bench.methods.low_rank.checks:minor_problems",
    )

    type: Literal["milora"] = "milora"


class Geora(SplitLora):
    """LoRA that starts from the principal part of the small and off-principal entries of every matrix.

    The paper leaves open alpha and which components its controls take; here alpha is the rank, "tail" are the smallest
    and "random" a uniform draw of the singular components of the same masked matrix.
    """

    source: ClassVar[str] = "GeoRA, arXiv 2601.09361, equations 1 to 8 and its initialisation ablation"
    formula: ClassVar[str] = (
        "W = (W0 - (alpha / rank) B0 A0) + (alpha / rank) B A, B0 A0 = top rank of W0 * (M_spec or M_euc), the entries "
        "whose |reconstruction of rank r|, or whose |W0|, is in the smallest density"
    )
    learning_rates: ClassVar[tuple[float, float]] = (1e-6, 1e-2)
    examples: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"start": "random"}, {"start": "tail"})
    initialisation: ClassVar[str] = "rlvr_bench.methods.low_rank.starts:geometric"
    start_checks: ClassVar[tuple[str, ...]] = (
        *SplitLora.start_checks,
        "rlvr_bench.methods.low_rank.checks:geometric_problems",
    )

    type: Literal["geora"] = "geora"
    density: float = Field(
        default=0.2, gt=0, le=1, description="Share of entries in each of the two masks; rho = 0.2 in the paper."
    )
    start: Literal["geometric", "random", "tail"] = Field(
        default="geometric",
        description='Which singular components of the masked matrix: the largest, or the controls "random" and "tail".',
    )

    @property
    def depends_on_seed(self) -> bool:
        return self.start == "random"


class LoraNull(SplitLora):
    """LoRA that starts from what every matrix does to inputs that the training prompts hardly excite.

    The paper trains A and B; with `freeze_down`, its stricter variant, the update never leaves that subspace. It takes
    the inputs from general questions, whose answers are to be kept; here they come from the task's training prompts.
    """

    source: ClassVar[str] = "LoRA-Null, arXiv 2503.02659"
    formula: ClassVar[str] = (
        "W = (W0 - s B0 A0) + s B A, s = alpha / rank, starting at B0 = U S^1/2, A0 = S^1/2 V' of W0 N'N; N "
        "(rank, in): eigenvectors of X'X of the smallest eigenvalues, X the module's inputs on the calibration prompts"
    )
    learning_rates: ClassVar[tuple[float, float]] = (1e-6, 1e-2)
    examples: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"freeze_down": True})
    initialisation: ClassVar[str] = "rlvr_bench.methods.low_rank.starts:null_space"
    start_checks: ClassVar[tuple[str, ...]] = (
        *SplitLora.start_checks,
        "rlvr_bench.methods.low_rank.checks:null_space_problems",
    )

    type: Literal["lora-null"] = "lora-null"
    freeze_down: bool = Field(
        default=False, description="Train B only, so that the update stays in the null space for good."
    )

    @property
    def needs_calibration(self) -> bool:
        return True

    @property
    def trains_down(self) -> bool:
        return not self.freeze_down

    def expected_trainable(self, shapes: Mapping[str, Shape]) -> dict[str, Shape | None]:
        expected = super().expected_trainable(shapes)
        return {name: shape for name, shape in expected.items() if not (self.freeze_down and ".lora_A." in name)}


class OrthonormalLora(StartedLora):
    """LoRA with orthonormal rows in A, right singular vectors of the matrix, and B = 0; the base stays as it is."""

    source: ClassVar[str] = "RLPO and RLMO, arXiv 2606.31813"
    learning_rates: ClassVar[tuple[float, float]] = (1e-6, 1e-2)

    part: ClassVar[Literal["top", "bottom"]]
    initialisation: ClassVar[str] = "rlvr_bench.methods.low_rank.starts:orthonormal"
    start_checks: ClassVar[tuple[str, ...]] = (
        *StartedLora.start_checks,
        "rlvr_bench.methods.low_rank.checks:orthonormal_problems",
    )

    alpha: int = Field(default=32, ge=1, description="Scale of the update, divided by the rank; 32 in the paper.")


class Rlpo(OrthonormalLora):
    """LoRA whose A starts as the top right singular vectors of every matrix, unscaled, and B at 0."""

    formula: ClassVar[str] = "W = W0 + (alpha / rank) B A, starting at A = V_r' (top r), B = 0"
    part: ClassVar[Literal["top", "bottom"]] = "top"

    type: Literal["rlpo"] = "rlpo"


class Rlmo(OrthonormalLora):
    """LoRA whose A starts as the bottom right singular vectors of every matrix, unscaled, and B at 0."""

    formula: ClassVar[str] = (
        "W = W0 + (alpha / rank) B A, starting at A = V_r' (bottom r of the min(out, in) right vectors), B = 0"
    )
    part: ClassVar[Literal["top", "bottom"]] = "bottom"

    type: Literal["rlmo"] = "rlmo"


class Oplora(Method):
    """LoRA whose update is projected, on both sides, off the top singular subspaces of every matrix."""

    family: ClassVar[str] = "low-rank"
    source: ClassVar[str] = "OPLoRA, arXiv 2510.13003"
    formula: ClassVar[str] = (
        "W = W0 + (alpha / rank) (I - U_k U_k') B A (I - V_k V_k'), B = 0 at the start, k = protected"
    )
    learning_rates: ClassVar[tuple[float, float]] = (1e-6, 1e-2)
    dials: ClassVar[tuple[str, ...]] = ("rank",)
    implementation: ClassVar[str] = "rlvr_bench.methods.low_rank.linear:attach_projected"
    start_checks: ClassVar[tuple[str, ...]] = ("rlvr_bench.methods.low_rank.checks:projection_problems",)

    type: Literal["oplora"] = "oplora"
    rank: int = Field(default=16, ge=1, description="Rank of the update, as for LoRA.")
    alpha: int = Field(default=32, ge=1, description="Scale of the update, divided by the rank; 32 as for LoRA.")
    protected: int | None = Field(
        default=None,
        ge=1,
        description="Number k of top singular triples that no update can change; left out it is the rank.",
    )

    @property
    def protected_count(self) -> int:
        """The k of the formula."""
        return self.protected or self.rank

    def expected_trainable(self, shapes: Mapping[str, Shape]) -> dict[str, Shape | None]:
        """Raises `MethodError` where rank and protected together exceed a side: the update could not have that rank."""
        weights = target_weights(shapes, self.targets)
        refuse_above_sides(weights, "rank + protected", self.rank + self.protected_count)
        expected: dict[str, Shape | None] = {}
        for path, (out_features, in_features) in weights.items():
            expected[f"{path}.down"] = (self.rank, in_features)
            expected[f"{path}.up"] = (out_features, self.rank)
        return expected


class LoraXs(Method):
    """A trained square matrix between the frozen top singular vectors of every matrix.

    The paper draws R from a normal distribution of width 1e-5; it starts at 0 here, so that the start is exact.
    """

    family: ClassVar[str] = "low-rank"
    source: ClassVar[str] = "LoRA-XS, arXiv 2405.17604"
    formula: ClassVar[str] = "W = W0 + (alpha / rank) U_r S_r R V_r' (top r, frozen), R (rank, rank) = 0 at the start"
    learning_rates: ClassVar[tuple[float, float]] = (1e-5, 1e-1)
    dials: ClassVar[tuple[str, ...]] = ("rank",)
    implementation: ClassVar[str] = "rlvr_bench.methods.low_rank.linear:attach_core"
    start_checks: ClassVar[tuple[str, ...]] = ("rlvr_bench.methods.low_rank.checks:core_problems",)

    type: Literal["lora-xs"] = "lora-xs"
    rank: int = Field(default=16, ge=1, description="Side of R: rank^2 trained values for every matrix.")
    alpha: int | None = Field(default=None, ge=1, description="Scale of the update; left out it is the rank.")

    @property
    def depends_on_seed(self) -> bool:
        return False

    def expected_trainable(self, shapes: Mapping[str, Shape]) -> dict[str, Shape | None]:
        """Raises `MethodError` where a matrix has fewer singular components than the rank."""
        weights = target_weights(shapes, self.targets)
        refuse_above_sides(weights, "rank", self.rank)
        return {f"{path}.core": (self.rank, self.rank) for path in weights}
