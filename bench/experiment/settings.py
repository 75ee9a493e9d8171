"""The settings of a signal and of an evaluation.

A default here is the vetted setting, so that every key in an experiment file is visibly its author's.
"""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from rlvr_bench.experiment.seeds import LARGEST_SEED
from rlvr_bench.plugins.settings import Settings

Precision = Literal["fp32", "bf16"]
Beta = Annotated[float, Field(ge=0, lt=1)]
LARGEST_COUNT = 10**9
"""Above every count that means something, and far below what overflows or never ends."""
Count = Annotated[int, Field(ge=1, le=LARGEST_COUNT)]

Temperature = Annotated[float, Field(ge=1e-3, le=1e3)]
"""Below, logits overflow; above, every token is as likely as any other."""

Match = Literal["steps", "flops", "labels", "update_norm"]


class TrainingSettings(Settings):
    """What every signal shares: the budget, the optimizer, and how the policy is sampled.

    Training ends after `steps` optimizer steps, or, with another `match`, as soon as `budget` of it is used: FLOPs by
    the ledger's estimate, labels bought, or the relative norm |W+ - W0|/|W0| of the update. `steps` stays the limit,
    and the ledger says whether the budget was used up.
    """

    fixed_reward: ClassVar[str | None] = None
    """What stands in a record as the reward of a signal that knows only one; None takes the experiment's rewards."""
    buys_ahead: ClassVar[bool] = False
    """Whether labels are bought before training: then a budget of labels limits the purchase and ends nothing."""
    samples_first: ClassVar[bool] = False
    """Whether the policy is sampled, and its KL measured, before the first step changes it."""
    problems_key: ClassVar[str] = "prompts_per_batch"
    """The key that says how many train problems are needed at once."""

    steps: Count = 150
    """Optimizer steps."""
    match: Match = "steps"
    """What `budget` counts and runs of a comparison share: steps, FLOPs, labels bought, or the relative update norm."""
    budget: float | None = Field(None, gt=0, allow_inf_nan=False)
    """How much of `match` ends training; not with "steps"."""
    micro_batch: Count | None = None
    """Completions per forward and backward pass; None takes an update's whole share at once."""
    max_new_tokens: Count = 64
    """Tokens after which a completion is cut, in training."""
    temperature: Temperature = 1.0
    """Temperature at which the policy is sampled in training."""
    train_problems: Count | None = None
    """Train on the first so many problems only, again and again (one-shot: Wang et al. 2025, arXiv 2504.20571)."""
    weight_decay: float = Field(0.0, ge=0, le=1e3)
    """AdamW's decoupled weight decay."""
    betas: tuple[Beta, Beta] = (0.9, 0.999)
    """AdamW's decay rates of the first and second moment."""
    max_grad_norm: float = Field(1.0, gt=0)
    """The norm of all gradients is clipped to this."""
    warmup_steps: int = Field(0, ge=0, le=LARGEST_COUNT)
    """Steps over which the learning rate rises linearly; it is constant afterwards."""
    precision: Precision = "fp32"
    """What rollouts, forward and backward compute in. Trainable tensors are stored, and models scored, in float32."""
    rollout_backend: Literal["auto", "continuous", "fast", "hf", "vllm"] = "auto"
    """"auto" takes the fast path where it supports the model, else the reference path of transformers ("hf")."""
    vllm_mode: Literal["colocate", "server"] = "colocate"
    """Where vLLM samples, TRL's names: in the process of the cell, or as a server; models are then scored by "auto"."""
    vllm_server_base_url: str = Field("http://127.0.0.1:8000", pattern="^https?://[^ ]+$", exclude=True)
    """Address of the server, TRL's name; of this machine alone, so that it neither is recorded nor changes a result."""
    vllm_adapters: bool = False
    """Have vLLM serve a LoRA as an adapter on its base, not as merged weights: one server for many cells at a time."""
    report_to: tuple[Literal["tensorboard", "trackio", "wandb"], ...] = ()
    """Trackers that TRL reports to, off by default; does not change the result. TensorBoard's files are in the cache,
    cells/<cell id>/tensorboard."""

    @model_validator(mode="after")
    def _budget_is_given_where_it_counts(self) -> Self:
        if self.match == "steps" and self.budget is not None:
            raise ValueError(f'budget = {self.budget:g} without match; set match = "flops", "labels" or "update_norm"')
        if self.match != "steps" and self.budget is None:
            raise ValueError(f'match = "{self.match}" needs a budget; add budget = ...')
        if self.match == "labels" and int(self.budget or 0) < 1:
            raise ValueError(f"budget = {self.budget:g} pays for no label; raise it to 1 or more")
        return self

    @model_validator(mode="after")
    def _vllm_is_asked_for(self) -> Self:
        key = "vllm_mode" if self.vllm_mode == "server" else "vllm_adapters" if self.vllm_adapters else None
        if key is not None and self.rollout_backend != "vllm":
            raise ValueError(f'{key} is for vLLM, rollout_backend is "{self.rollout_backend}"; set it to "vllm"')
        return self

    @property
    def scoring_backend(self) -> str:
        """What samples to score, always in float32 and on whole weights: what samples in training, where that can."""
        return "auto" if self.vllm_mode == "server" or self.vllm_adapters else self.rollout_backend

    def refusal(self, processes: int) -> str | None:
        """Why several processes cannot train a cell together, in one sentence; None when they can."""
        return None if processes == 1 else "this signal trains in one process; leave --processes out"

    @property
    def affordable(self) -> int:
        """Labels that a budget of labels pays for, in the portions in which they are bought."""
        return int(self.budget or 0)


class GrpoSettings(TrainingSettings):
    """GRPO (Shao et al. 2024, arXiv 2402.03300), trained by TRL.

    `steps` counts optimizer updates; a rollout batch of `prompts_per_batch` x `group_size` completions serves
    `updates_per_batch` of them, each on an equal share of the batch.
    """

    samples_first: ClassVar[bool] = True
    prompts_per_batch: Count = 8
    """Prompts of a rollout batch."""
    group_size: int = Field(8, ge=2, le=LARGEST_COUNT)
    """Completions of each prompt, which are a group: advantages are relative to it."""
    updates_per_batch: Count = 1
    """Optimizer steps on a rollout batch, each on an equal share of it; above 1 the later ones are off-policy."""
    clip_low: float | None = Field(0.2, gt=0, le=1)
    """Lower distance of the clip range from 1; "off" takes clipping away on that side."""
    clip_high: float | None = Field(0.2, gt=0)
    """Upper distance of the clip range from 1 ("clip-higher" of DAPO, arXiv 2503.14476, is a larger one); "off" as
    above."""
    kl_weight: float = Field(0.0, ge=0)
    """Weight of the k3 KL penalty to the frozen base model (Schulman 2020), which TRL multiplies by the ratio of the
    policy to the one that sampled: without bias also after the first of several updates."""
    kl_estimator: Literal["k3", "k1"] = "k3"
    """"k3" is the penalty in the loss; "k1" leaves the loss alone and takes the weight times log pi - log reference,
    summed over the tokens of a completion as it was sampled, off its reward (as TRL's RLOO does)."""
    loss_type: Literal["grpo", "bnpo", "dr_grpo", "dapo"] = "dapo"
    """How token losses are averaged, TRL's names: by completion, by token of the micro-batch, by a constant length, or
    by token of the whole batch."""
    scale_rewards: Literal["group", "batch", "none"] = "group"
    """Whose standard deviation advantages are divided by, TRL's names; "none" divides by nothing (Dr. GRPO)."""
    whiten_advantages: bool = False
    """Also give them mean 0 and variance 1 over the tokens of a rollout batch, as the code of arXiv 2506.10947 does."""
    update_backend: Literal["auto", "packed", "padded"] = "auto"
    """How the trainer scores completions: "packed" without padding, "padded" as TRL does; "auto" packs where it can."""
    probe_every: Count = 25
    """Compare rollout and trainer log-probabilities on fixed prompts every N rollout batches."""
    kl_every: Count = 5
    """Record the KL to the base every N rollout batches, and at the last one."""

    @field_validator("clip_low", "clip_high", mode="before")
    @classmethod
    def _clip_may_be_off(cls, value: Any) -> Any:
        return None if value == "off" else value  # TOML has no null

    @model_validator(mode="after")
    def _batch_divides(self) -> Self:
        completions = self.prompts_per_batch * self.group_size
        if completions % self.updates_per_batch:
            raise ValueError(
                f"updates_per_batch = {self.updates_per_batch} does not divide the {completions} completions of a "
                "rollout batch (prompts_per_batch x group_size); choose a divisor"
            )
        if self.micro_batch is not None and (completions // self.updates_per_batch) % self.micro_batch:
            raise ValueError(
                f"micro_batch = {self.micro_batch} does not divide the {completions // self.updates_per_batch} "
                "completions of one update; choose a divisor"
            )
        return self

    @property
    def batch_size(self) -> int:
        """Completions in one rollout batch."""
        return self.prompts_per_batch * self.group_size

    @property
    def sampled_at_once(self) -> int:
        """Completions behind the accuracy of a step."""
        return self.batch_size

    @property
    def problems_needed(self) -> int:
        """Train problems that one rollout batch takes."""
        return self.prompts_per_batch


class RlvrSettings(GrpoSettings):
    """GRPO on verifiable rewards."""

    type: Literal["rlvr"] = "rlvr"

    def refusal(self, processes: int) -> str | None:
        """See `TrainingSettings`; a process takes whole groups."""
        if processes == 1:
            return None
        if self.prompts_per_batch % processes:
            return f"prompts_per_batch = {self.prompts_per_batch} is no multiple of --processes {processes}"
        if self.train_problems is not None and self.train_problems < self.prompts_per_batch:
            return (
                f"train_problems = {self.train_problems} repeats a prompt within a batch, and each of --processes "
                f"{processes} would sample the same for it; leave --processes out"
            )
        if self.rollout_backend == "vllm" and self.vllm_mode == "colocate":
            return "each process would start a vLLM engine of its own; leave --processes out"
        rows = self.batch_size // processes
        if rows % self.updates_per_batch:
            return f"updates_per_batch = {self.updates_per_batch} does not divide the {rows} completions of a process"
        own = rows // self.updates_per_batch
        if self.micro_batch is not None and own % self.micro_batch:
            return f"micro_batch = {self.micro_batch} does not divide the {own} completions of one process's update"
        if self.whiten_advantages or self.loss_type == "bnpo":
            key = "whiten_advantages" if self.whiten_advantages else 'loss_type = "bnpo"'
            return f"{key} normalises over all completions, which one process does not have; leave --processes out"
        return None


class EvaluateSettings(Settings):
    """How base and tuned model are scored; the same for every row of a comparison."""

    splits: tuple[Literal["validation", "test"], ...] = Field(("validation", "test"), min_length=1)
    """Splits that are scored; rates are chosen on validation, rows are ranked on test."""
    samples: int = Field(4, ge=0, le=LARGEST_COUNT)
    """Completions per problem for avg@k, pass@k and maj@k; 0 scores greedily only."""
    sampled_splits: tuple[Literal["validation", "test"], ...] = ("test",)
    """Splits of which completions are sampled; the others are scored greedily only."""
    sampled_problems: Count | None = None
    """Problems of a split that are sampled, the first ones; None samples all."""
    temperature: Temperature = 1.0
    """Temperature of the sampled completions."""
    max_new_tokens: Count = 64
    """Tokens after which a completion is cut, in scoring."""
    batch_size: Count = 128
    """Completions that are generated at once; a matter of memory and time."""
    prompt: str = "task"
    """Prompt style: "task" is the task's own, `rlvr-bench tasks show NAME` lists them."""
    seed: int = Field(0, ge=0, le=LARGEST_SEED)
    """Seed of the sampled completions: the same for all cells, so that methods meet the same random numbers."""
    extra_tasks: tuple[dict[str, object], ...] = ()
    """Settings of further tasks that are scored (never trained on), on their test split."""
