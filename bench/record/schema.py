"""What a run record and a step record hold: the one description of `run.json` and `steps.jsonl`.

Where records live and how they are written is `store`; what follows from them is `leaderboard`.
"""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from rlvr_bench.record.cell_keys import FOLDER_NAME, CellKeys
from rlvr_bench.record.migrate import step_line
from rlvr_bench.record.numbers import JsonObject, Number, OptionalJsonObject, Share, strict_json
from rlvr_bench.record.open_tables import OPEN_TABLES

SCHEMA_VERSION = 3
"""Raised with a step in `migrate` that reads what was written before."""
SCHEMA_FILE = Path(__file__).with_name("schema.json")

LARGEST_COUNT = 2**53 - 1
"""Of a step's counts, which are kept in columns: whole numbers that a float64 holds exactly."""

Status = Literal["done", "failed", "collapsed", "invalid", "stale", "stopped"]
ModelRole = Literal["base", "tuned"]
ScoredSplit = Literal["train", "validation", "test"]


class _Record(BaseModel):
    """A record refuses keys that it does not know, so that a typing error never becomes a lost measurement."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Score(_Record):
    """One model on one split of one task.

    Per-problem outcomes are kept, in the order of the split's problems (`problems_hash` hashes their ids in that
    order), because intervals and paired differences are computed from them. A verifier error is not a correct answer;
    its share stands beside the accuracy.
    """

    n: int = Field(ge=1, description="problems scored")
    problems_hash: str = Field(description="hash of the problem ids, in order: equal hashes can be paired")
    greedy: Share = Field(default=None, description="accuracy of greedy completions")
    greedy_outcomes: str = Field(default="", pattern="^[01]*$", description="one digit per problem: 1 is correct")
    k: int = Field(default=0, ge=0, description="sampled completions per problem")
    avg_k: Share = Field(default=None, description="share of correct sampled completions")
    sample_counts: list[int] = Field(
        default=[], description="correct sampled completions per problem, each 0..k, of the problems that were sampled"
    )
    pass_k: dict[str, Share] = Field(default={}, description="unbiased pass@k by k")
    maj_k: Share = Field(default=None, description="accuracy of the majority answer over the k samples")
    answer_entropy: Number = Field(default=None, description="entropy of the k samples' answers in nats, mean")
    truncated: Share = Field(default=None, description="share of completions without an end-of-sequence token")
    unparsed: Share = Field(default=None, description="share of completions without a readable answer")
    verifier_errors: Share = Field(default=None, description="share of completions on which the verifier itself failed")
    mean_length: Number = Field(default=None, description="mean completion length in tokens")

    @model_validator(mode="after")
    def _adds_up(self) -> "Score":
        if (self.greedy is not None or self.greedy_outcomes) and len(self.greedy_outcomes) != self.n:
            raise ValueError(f"greedy_outcomes has {len(self.greedy_outcomes)} digits for n = {self.n} problems")
        if bool(self.k) != bool(self.sample_counts) or len(self.sample_counts) > self.n:
            raise ValueError(f"sample_counts has {len(self.sample_counts)} entries for n = {self.n} and k = {self.k}")
        if self.sample_counts and not 0 <= min(self.sample_counts) <= max(self.sample_counts) <= self.k:
            raise ValueError(
                f"sample_counts must lie in 0..{self.k}, got {min(self.sample_counts)}..{max(self.sample_counts)}"
            )
        _check_mean("greedy", self.greedy, self.greedy_outcomes.count("1"), len(self.greedy_outcomes))
        _check_mean("avg_k", self.avg_k, sum(self.sample_counts), len(self.sample_counts) * self.k)
        return self

    @property
    def problem_set(self) -> str:
        """Names the problems and their number: outcomes of scores with the same one can be paired."""
        return f"{self.problems_hash}/{self.n}"


def _check_mean(name: str, share: float | None, correct: int, count: int) -> None:
    if count and (share is None or abs(share - correct / count) > 1e-6):
        raise ValueError(f"{name} = {share} does not follow from its outcomes ({correct} of {count} correct)")


class Cause(_Record):
    """Why a cell has no result, or one that does not count."""

    type: str = Field(description="class of the error, e.g. OutOfMemoryError, or the name of the rule")
    message: str = Field(description="one sentence: what happened")
    fix: str = Field(default="", description="one sentence: what to do about it")
    tail: list[str] = Field(default=[], description="the last lines of the process's output")


class Stability(_Record):
    """How training went, over its steps. Peak, last and area under the curve of the reward are all kept."""

    steps: int = Field(ge=0, description="optimizer steps that were made")
    reward_first: Number = Field(default=None, description="mean reward of the first steps")
    reward_last: Number = Field(default=None, description="mean reward of the last steps")
    reward_peak: Number = Field(default=None, description="highest mean reward over a window of steps")
    reward_auc: Number = Field(default=None, description="mean of the reward over all steps")
    kl_last: Number = Field(default=None, description="k3 KL to the base model per token, last steps")
    kl_max: Number = Field(default=None, description="largest k3 KL to the base model of any step")
    entropy_first: Number = Field(default=None, description="mean token entropy in nats, first steps")
    entropy_last: Number = Field(default=None, description="mean token entropy in nats, last steps")
    entropy_left: Number = Field(default=None, description="entropy_last / entropy_first")
    gradient_spikes: int | None = Field(
        default=None, ge=0, description="steps with grad_norm > trailing median + 6 MAD"
    )
    grad_norm_max: Number = Field(default=None, description="largest gradient norm before clipping")
    frac_reward_zero_std: Share = Field(default=None, description="share of groups without signal, over all steps")
    collapse_step: int | None = Field(default=None, ge=0, description="first step at which a collapse rule held")
    collapse_rule: str | None = Field(default=None, description="the collapse rule that held")


class Cost(_Record):
    """What a cell took."""

    seconds: dict[str, Number] = Field(
        default={},
        description='wall-clock seconds by stage; a name like "train/rollout" is a part of its stage;'
        ' "verifier/lost" is what comparisons took that ended in no verdict, in all stages',
    )
    tokens: int | None = Field(default=None, ge=0, description="tokens generated in training")
    peak_memory_bytes: int | None = Field(
        default=None, ge=0, description="largest resident (or device) memory of the process"
    )

    @property
    def total_seconds(self) -> float | None:
        """Seconds of all stages, their parts not counted again; None when nothing was timed."""
        stages = [value for name, value in self.seconds.items() if "/" not in name and value is not None]
        return sum(stages) if stages else None


class Ledger(_Record):
    """What training used and bought, counted alike for all signals (`train.ledger`)."""

    match: str = Field(description="what the budget counts: steps, flops, labels or update_norm")
    budget: Number = Field(default=None, description="the budget, where it is not optimizer steps")
    used_up: bool = Field(description="whether training went on until its budget was used")
    forward_flops: int = Field(ge=0, description="dense estimate, sampling and scoring included")
    backward_flops: int = Field(ge=0, description="dense estimate")
    generated_tokens: int = Field(ge=0, description="tokens that were sampled to learn from")
    learned_tokens: int = Field(ge=0, description="tokens that went forward and backward, prompts included")
    verdicts: int = Field(ge=0, description="verdicts that a reward or a filter read")
    preference_pairs: int = Field(ge=0, description="labelled pairs of completions")
    solutions: int = Field(ge=0, description="worked solutions, gold or a teacher's")

    @property
    def flops(self) -> int:
        """All floating-point operations."""
        return self.forward_flops + self.backward_flops

    @property
    def labels(self) -> int:
        """All labels that were bought."""
        return self.verdicts + self.preference_pairs + self.solutions


class Environment(_Record):
    """With what a cell ran. Never part of its id."""

    python: str
    packages: dict[str, str] = Field(description="installed version by distribution")
    cpu: str
    threads: int | None = Field(description="threads that a process may use (OMP_NUM_THREADS), None if not limited")
    gpu: str | None
    float32_products: str | None = Field(None, description="what they went through: onednn or blas; None if unknown")
    processes: int | None = Field(None, description="processes that trained together; None if unknown")
    sharded: bool | None = Field(None, description="whether these shared one model (FSDP2); None if unknown")
    rollout_engine: str | None = Field(
        None, description="the engine outside of this package that sampled in training, its version and kind"
    )
    commit: str | None
    dirty: bool | None
    platform: str


class Rescored(_Record):
    """With what the stored samples of a cell were graded again; its scores are those, its settings as they were."""

    commit: str | None = Field(description="of this package; null outside a checkout")
    dirty: bool | None = Field(description="whether its code differed from that commit")
    tasks: dict[str, str] = Field(description="fingerprint of each task, its verifier included, by name")


class StoredSamples(_Record):
    """The file of the completions that were scored, as it was written."""

    rows: int = Field(ge=0)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


class Digest(_Record):
    """What a record was when it was written (see `digest`); no signature."""

    sha256: str = Field(pattern="^[0-9a-f]{64}$", description="of all parts")
    parts: dict[str, str] = Field(description="first digits of the SHA-256 of each part, by key of the record")


_SCORES = TypeAdapter(dict[str, Score])


class RunRecord(_Record):
    """Everything that is kept of one cell: `run.json`."""

    schema_version: Literal[3] = 3
    cell: JsonObject = Field(description="the whole resolved configuration of the cell")
    cell_id: str = Field(pattern="^[0-9a-f]{6,64}$")
    comparison: str = Field(pattern=FOLDER_NAME, description="name of the group that may be ranked together")
    status: Status
    cause: Cause | None = None
    attestation: OptionalJsonObject = None
    accuracy: dict[ModelRole, dict[str, dict[ScoredSplit, Score]]] = Field(
        default={}, description="scores by model, task and split"
    )
    measurements: dict[str, JsonObject] = Field(
        default={}, description="what else was observed, by the name of the measurement"
    )
    rollout: OptionalJsonObject = Field(
        None, description="the backend that generated in training, and how far its log-probabilities were off"
    )
    stability: Stability | None = None
    cost: Cost = Cost()
    rescored: Rescored | None = Field(default=None, description="set where scores are not those of the run itself")
    ledger: Ledger | None = None
    reward_model: dict[str, Number] | None = Field(
        None, description="pairs and label noise of a learned reward, and its agreement with labels"
    )
    samples: StoredSamples | None = Field(None, description="the cell's file of samples; null where there is none")
    environment: Environment
    digest: Digest | None = Field(None, description="null in a record that was written before there were digests")

    @model_validator(mode="after")
    def _has_what_its_status_says(self) -> "RunRecord":
        self.__dict__["keys"] = CellKeys.model_validate(self.cell)
        OPEN_TABLES.validate_python(
            {name: getattr(self, name) for name in ("cell", "attestation", "rollout", "measurements")}
        )
        if "prompt_range" in self.measurements:
            _SCORES.validate_python(self.measurements["prompt_range"])
        if self.status in ("failed", "invalid", "stopped") and self.cause is None:
            raise ValueError(f'status "{self.status}" needs a cause')
        if self.status == "done" and not {"base", "tuned"} <= self.accuracy.keys():
            raise ValueError('status "done" needs accuracy for base and tuned')
        return self

    @cached_property
    def keys(self) -> CellKeys:
        """The parts of the cell's settings that are read after a run."""
        return CellKeys.model_validate(self.cell)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return a copy as pydantic does; with another cell it has that one's keys."""
        copied = super().model_copy(update=update, deep=deep)
        if "cell" in (update or {}):
            copied.__dict__.pop("keys", None)
        return copied

    def score(self, role: ModelRole, task: str, split: ScoredSplit) -> Score | None:
        """Return one score, or None when it was not measured."""
        return self.accuracy.get(role, {}).get(task, {}).get(split)

    def measurement(self, name: str) -> dict[str, Any] | None:
        """Return the result of a measurement, or None when it was not made or found nothing."""
        return self.measurements.get(name)

    def to_json(self) -> str:
        """Return the bytes of `run.json`: strict JSON, sorted keys."""
        return strict_json(self.model_dump(mode="json"), indent=1) + "\n"


class StepRecord(BaseModel):
    """One optimizer step: a line of `steps.jsonl`, under TRL's metric names where TRL has one.

    Further metrics of TRL are kept under their own names. In Python a slash in a name is an underscore.
    """

    model_config = ConfigDict(
        frozen=True, extra="allow", validate_by_name=True, validate_by_alias=True, serialize_by_alias=True
    )
    __pydantic_extra__: dict[str, Number] = Field(init=False)

    step: int = Field(ge=0, le=LARGEST_COUNT, description="optimizer step, 1 is the first")
    loss: Number = None
    accuracy: Share = Field(default=None, description="share of the rollout batch that the verifier finds correct")
    non_finite: bool = Field(default=False, description="whether the loss or a gradient was NaN or infinite")
    learning_rate: Number = None
    reward: Number = Field(default=None, description="mean reward of the rollout batch")
    reward_std: Number = Field(default=None, description="standard deviation of the reward")
    frac_reward_zero_std: Share = Field(
        default=None, description="share of groups whose rewards are all equal: no signal"
    )
    entropy: Number = Field(default=None, description="mean token entropy in nats")
    kl: Number = Field(default=None, description="k3 estimate of the KL to the base model, mean over tokens")
    clip_ratio_low_mean: Number = Field(
        default=None, validation_alias="clip_ratio/low_mean", serialization_alias="clip_ratio/low_mean"
    )
    clip_ratio_low_min: Number = Field(
        default=None, validation_alias="clip_ratio/low_min", serialization_alias="clip_ratio/low_min"
    )
    clip_ratio_high_mean: Number = Field(
        default=None, validation_alias="clip_ratio/high_mean", serialization_alias="clip_ratio/high_mean"
    )
    clip_ratio_high_max: Number = Field(
        default=None, validation_alias="clip_ratio/high_max", serialization_alias="clip_ratio/high_max"
    )
    clip_ratio_region_mean: Number = Field(
        default=None, validation_alias="clip_ratio/region_mean", serialization_alias="clip_ratio/region_mean"
    )
    grad_norm: Number = Field(default=None, description="gradient norm before clipping")
    update_norm: Number = Field(default=None, description="norm of this step's change of all trainable tensors")
    weight_norm: Number = Field(default=None, description="norm of all trainable tensors before the step")
    relative_update_norm: Number = Field(default=None, description="update_norm / weight_norm")
    swallowed: Share = Field(
        default=None, description="share of this step's non-zero changes that weights kept in bf16 would lose"
    )
    completions_mean_length: Number = Field(
        default=None, validation_alias="completions/mean_length", serialization_alias="completions/mean_length"
    )
    completions_max_length: Number = Field(
        default=None, validation_alias="completions/max_length", serialization_alias="completions/max_length"
    )
    completions_clipped_ratio: Share = Field(
        default=None,
        validation_alias="completions/clipped_ratio",
        serialization_alias="completions/clipped_ratio",
        description="share of completions cut off at the length limit",
    )
    unparsed: Share = Field(default=None, description="share of completions without a readable answer")
    verifier_errors: Share = Field(default=None, description="share of completions on which the verifier itself failed")
    tokens: int | None = Field(
        default=None, ge=0, le=LARGEST_COUNT, description="tokens generated since the start of training"
    )
    flops: Number = Field(default=None, description="floating-point operations since the start of training")
    labels: int | None = Field(
        default=None, ge=0, le=LARGEST_COUNT, description="labels bought since the start of training"
    )
    seconds_rollout: Number = None
    seconds_grade: Number = Field(default=None, description="verdicts of the verifier, and rewards")
    seconds_log_probs: Number = Field(
        default=None,
        description="log-probabilities that need no gradient: of the reference, and before several updates",
    )
    seconds_train: Number = None
    peak_memory_bytes: int | None = Field(default=None, ge=0, le=LARGEST_COUNT)

    @model_validator(mode="before")
    @classmethod
    def _older_lines_are_read(cls, line: Any) -> Any:
        return step_line(line) if isinstance(line, dict) else line

    def to_json(self) -> str:
        """Return one line of `steps.jsonl`, without the line end."""
        return strict_json(self.model_dump(mode="json"))


def json_schema() -> str:
    """Return the JSON Schema of both records, as committed in `schema.json`."""
    document = {
        "run": RunRecord.model_json_schema(mode="serialization"),
        "step": StepRecord.model_json_schema(mode="serialization"),
    }
    return strict_json(document, indent=1) + "\n"
