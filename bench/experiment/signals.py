"""The learning signals beside `rlvr`: the settings of each, and the union of all of them.

A key that two signals share means the same in both: `steps` are optimizer steps, `batch_size` completions per update.
"""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from rlvr_bench.experiment.settings import LARGEST_COUNT, Count, GrpoSettings, RlvrSettings, TrainingSettings


class ShadowedSettings(TrainingSettings):
    """What signals share whose training itself says nothing of the policy's samples.

    The policy is sampled now and then, on prompts of the train split, for the record only: accuracy by the verifier,
    entropy and KL to the base, so that curves compare with those of RLVR.
    """

    shadow_every: Count = 5
    """Sample the policy every N optimizer steps, and at the last one."""
    shadow_size: Count = 64
    """Completions of such a sample, one per prompt."""

    @property
    def sampled_at_once(self) -> int:
        """Completions behind the accuracy of a step."""
        return self.shadow_size


class SupervisedSettings(ShadowedSettings):
    """Training on given completions."""

    problems_key: ClassVar[str] = "batch_size and shadow_size"
    batch_size: Count = 64
    """Completions of an optimizer step."""

    @model_validator(mode="after")
    def _batch_divides(self) -> Self:
        if self.micro_batch is not None and self.batch_size % self.micro_batch:
            raise ValueError(
                f"micro_batch = {self.micro_batch} does not divide batch_size = {self.batch_size}; choose a divisor"
            )
        return self

    @property
    def problems_needed(self) -> int:
        """Train problems that one batch takes."""
        return max(self.batch_size, self.shadow_size)


class SftSettings(SupervisedSettings):
    """Supervised fine-tuning on worked solutions: gold ones, or a teacher's, of which some are wrong.

    With match = "labels" so many solutions are bought, before training, and used again for all steps.
    """

    fixed_reward: ClassVar[str | None] = "none"
    buys_ahead: ClassVar[bool] = True
    type: Literal["sft"] = "sft"
    teacher_accuracy: float = Field(1.0, ge=0, le=1)
    """Share of the train problems that the teacher solves rightly; 1 gives gold solutions."""


class RftSettings(SupervisedSettings):
    """Supervised fine-tuning on the model's own verified samples, iterated (Yuan et al. 2023, arXiv 2308.01825).

    Each iteration samples with the current policy, keeps up to `keep_per_problem` different correct completions of a
    problem, and trains on them for an equal share of `steps`. With match = "labels" the budget is the number of samples
    that are verified, an equal share in each iteration.
    """

    fixed_reward: ClassVar[str | None] = "exact"
    buys_ahead: ClassVar[bool] = True
    problems_key: ClassVar[str] = "prompts_per_iteration and shadow_size"
    type: Literal["rft"] = "rft"
    iterations: Count = 4
    """How often the policy is sampled and then trained on what was right; each has an equal share of `steps`."""
    prompts_per_iteration: Count = 128
    """Prompts that an iteration samples; with match = "labels" the budget says how many."""
    group_size: Count = 8
    """Completions per prompt."""
    keep_per_problem: Count = 4
    """Different right completions of a problem that an iteration keeps, at most."""

    @model_validator(mode="after")
    def _every_iteration_trains(self) -> Self:
        if self.iterations > self.steps:
            raise ValueError(f"iterations = {self.iterations} is more than steps = {self.steps}; lower it")
        if self.prompts < 1:
            raise ValueError(
                f"budget = {self.budget:g} labels do not pay for {self.iterations} iterations of {self.group_size} "
                "completions; raise it"
            )
        return self

    @property
    def prompts(self) -> int:
        """Prompts that are sampled in each iteration."""
        if self.match == "labels" and self.budget is not None:
            return int(self.budget) // (self.iterations * self.group_size)
        return self.prompts_per_iteration

    @property
    def affordable(self) -> int:
        """Labels that whole iterations buy."""
        return self.iterations * self.prompts * self.group_size

    @property
    def problems_needed(self) -> int:
        """Train problems that one iteration takes."""
        return max(self.prompts, self.shadow_size)

    def steps_of(self, iteration: int) -> int:
        """Optimizer steps of an iteration, counted from 0."""
        return self.steps * (iteration + 1) // self.iterations - self.steps * iteration // self.iterations


class DpoSettings(SupervisedSettings):
    """Direct preference optimisation (Rafailov et al. 2023, arXiv 2305.18290) on pairs that the verifier orders.

    Before training the base samples `group_size` completions of each of `sampled_problems` train problems, once. A pair
    is a right and a wrong one of the same problem, neither cut off, and counts as two completions of a batch. With
    match = "labels" the budget is the number of completions that are verified.
    """

    fixed_reward: ClassVar[str | None] = "exact"
    buys_ahead: ClassVar[bool] = True
    problems_key: ClassVar[str] = "sampled_problems and shadow_size"
    type: Literal["dpo"] = "dpo"
    sampled_problems: Count = 256
    """Train problems that are sampled."""
    group_size: int = Field(8, ge=2, le=LARGEST_COUNT)
    """Completions per problem."""
    pairs_per_problem: Count = 4
    """Pairs of a problem at most; no completion is in two of them."""
    kl_weight: float = Field(0.1, gt=0, le=1e3)
    """Weight of the KL to the frozen base in the objective that DPO solves (beta in the paper)."""

    @model_validator(mode="after")
    def _pairs_fit(self) -> Self:
        for key in ("batch_size", "micro_batch"):
            if (getattr(self, key) or 0) % 2:
                raise ValueError(f"{key} = {getattr(self, key)} splits a pair of completions; make it even")
        if self.prompts < 1:
            raise ValueError(
                f"budget = {self.budget:g} labels do not pay for the {self.group_size} completions of one problem; "
                "raise it"
            )
        return self

    @property
    def prompts(self) -> int:
        """Problems that are sampled."""
        if self.match == "labels" and self.budget is not None:
            return int(self.budget) // self.group_size
        return self.sampled_problems

    @property
    def affordable(self) -> int:
        """Labels that whole groups buy."""
        return self.prompts * self.group_size

    @property
    def problems_needed(self) -> int:
        """Train problems that are sampled, or that a shadow sample takes."""
        return max(self.prompts, self.shadow_size)


class RlhfSettings(GrpoSettings):
    """GRPO on a learned reward (Stiennon et al. 2020, arXiv 2009.01325); the verifier is recorded and not seen.

    A reward model is trained on `preference_pairs` pairs of the base model's completions, one of them right, of which
    `label_noise` are labelled the wrong way round. With match = "labels" the budget is the number of pairs.
    """

    fixed_reward: ClassVar[str | None] = "learned"
    buys_ahead: ClassVar[bool] = True
    type: Literal["rlhf"] = "rlhf"
    preference_pairs: Count = 512
    """Pairs of a right and a wrong completion that the reward model learns from; a budget of labels in its place."""
    label_noise: float = Field(0.0, ge=0, le=1)
    """Share of the pairs that are labelled the wrong way round."""
    reward_model_steps: Count = 100
    """Optimizer steps of the reward model."""
    reward_model_batch: Count = 32
    """Pairs of an optimizer step of the reward model."""
    reward_model_rate: float = Field(3e-4, gt=0, le=1e3)
    """Learning rate of the reward model."""


class SftRlvrSettings(GrpoSettings):
    """Supervised fine-tuning first, then GRPO, with `sft_share` of the one budget for the first part."""

    samples_first: ClassVar[bool] = False
    problems_key: ClassVar[str] = "prompts_per_batch and group_size"
    type: Literal["sft+rlvr"] = "sft+rlvr"
    sft_share: float = Field(0.25, gt=0, lt=1)
    """Share of the steps, or of the budget, that the supervised part has."""
    teacher_accuracy: float = Field(1.0, ge=0, le=1)
    """Share of the train problems that the teacher of the supervised part solves rightly."""

    @model_validator(mode="after")
    def _both_parts_train(self) -> Self:
        if self.steps < 2:
            raise ValueError("two parts need 2 steps or more; raise steps")
        if self.match == "labels" and self.sft_share * self.affordable < 1:
            raise ValueError(
                f"sft_share = {self.sft_share:g} of budget = {self.budget:g} labels pays for no solution; raise one"
            )
        return self

    @property
    def problems_needed(self) -> int:
        """Train problems that one batch takes, in the first part one completion of each."""
        return self.batch_size

    @property
    def sft_part(self) -> SftSettings:
        """The first part, on batches of the same size."""
        budget = None if self.budget is None else self.sft_share * self.budget
        return SftSettings(
            **_shared(self),
            steps=self._sft_steps,
            budget=budget,
            batch_size=self.batch_size,
            shadow_size=self.batch_size,
            shadow_every=self.kl_every,
            teacher_accuracy=self.teacher_accuracy,
        )

    @property
    def rlvr_part(self) -> RlvrSettings:
        """The second part; a budget is that of both parts together."""
        own = self.model_dump(exclude={"type", "sft_share", "teacher_accuracy", "steps"})
        return RlvrSettings(**own, steps=self.steps if self._is_split_by_use else self.steps - self._sft_steps)

    @property
    def _is_split_by_use(self) -> bool:
        return self.match in ("flops", "update_norm")

    @property
    def _sft_steps(self) -> int:
        share = min(max(round(self.sft_share * self.steps), 1), self.steps - 1)
        return self.steps if self._is_split_by_use else share


class EsSettings(ShadowedSettings):
    """Evolution strategies (Qiu et al. 2025, arXiv 2509.24372): rewards of perturbed models in place of gradients.

    At each step `population` models, in mirrored pairs around the present one, answer the same train problems; the
    tensors that the method trains move along the perturbations, weighed by the scores of their rewards. The learning
    rate holds 1 / `sigma`.
    """

    problems_key: ClassVar[str] = "prompts_per_batch and shadow_size"
    type: Literal["es"] = "es"
    population: int = Field(32, ge=2, le=LARGEST_COUNT)
    """Perturbed models in a step: an even number."""
    prompts_per_batch: Count = 32
    """Train problems that each of them answers, one completion each."""
    sigma: float = Field(1e-3, gt=0, le=1e3)
    """Standard deviation of a perturbation. The default is the paper's, for 0.5 to 8 billion weights; a small model
    needs a larger one for its greedy answers to change at all (the organisms about 0.02)."""
    shaping: Literal["z-scores", "ranks"] = "z-scores"
    """How rewards become scores: by mean and standard deviation over the population, or by rank."""
    decoding: Literal["greedy", "sampled"] = "greedy"
    """How a perturbed model answers."""

    @model_validator(mode="after")
    def _is_without_gradients(self) -> Self:
        if self.population % 2:
            raise ValueError(f"population = {self.population} leaves a model without its mirror; make it even")
        for key in ("micro_batch", "betas", "max_grad_norm", "report_to"):
            if getattr(self, key) != type(self).model_fields[key].default:
                raise ValueError(f"es has no gradients and no trainer of TRL's, which {key} is for; leave it out")
        return self

    @property
    def pairs(self) -> int:
        """Mirrored pairs in a step."""
        return self.population // 2

    @property
    def batch_size(self) -> int:
        """Completions of one step."""
        return self.population * self.prompts_per_batch

    @property
    def problems_needed(self) -> int:
        """Train problems that one step, or a shadow sample, takes."""
        return max(self.prompts_per_batch, self.shadow_size)


def _shared(settings: TrainingSettings) -> dict[str, Any]:
    """Return the keys that every signal has, but for the amount of training."""
    return {name: getattr(settings, name) for name in TrainingSettings.model_fields if name not in ("steps", "budget")}


def _type(table: Any) -> str | None:
    """Return the type of a signal's table; a table without one is `rlvr`."""
    return table.get("type", "rlvr") if isinstance(table, dict) else getattr(table, "type", None)


Signal = Annotated[
    Annotated[RlvrSettings, Tag("rlvr")]
    | Annotated[SftSettings, Tag("sft")]
    | Annotated[RftSettings, Tag("rft")]
    | Annotated[DpoSettings, Tag("dpo")]
    | Annotated[RlhfSettings, Tag("rlhf")]
    | Annotated[SftRlvrSettings, Tag("sft+rlvr")]
    | Annotated[EsSettings, Tag("es")],
    Discriminator(_type),
]


def signal_classes() -> dict[str, type[TrainingSettings]]:
    """Return the settings class of every signal, by its type."""
    kinds: tuple[type[TrainingSettings], ...] = (
        *(RlvrSettings, SftSettings, RftSettings, DpoSettings),
        *(RlhfSettings, SftRlvrSettings, EsSettings),
    )
    return {str(kind.model_fields["type"].default): kind for kind in kinds}
