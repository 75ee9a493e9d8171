"""What is audited: a base, what was trained from it, what the trainer wrote. Opened once, measured when asked for."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from rlvr_bench.audit.adapter import CONFIG, TENSORS, Adapter, open_adapter
from rlvr_bench.audit.changes import Pairs, TensorChange, changes
from rlvr_bench.audit.completions import Completion, read_completions
from rlvr_bench.audit.errors import AuditError, LacksData
from rlvr_bench.audit.gates import against_nulls
from rlvr_bench.audit.training_log import TrainingLog, read_log
from rlvr_bench.console.progress import Report
from rlvr_bench.geometry.checkpoints import EMBEDDING, OUTPUT, Checkpoint, aligned_names, open_checkpoint
from rlvr_bench.geometry.pairs import open_pairs
from rlvr_bench.models.base import folder_of
from rlvr_bench.models.config import base_named
from rlvr_bench.models.errors import ModelError
from rlvr_bench.models.source import organism_names
from rlvr_bench.plugins.suggestion import did_you_mean

Claim = Literal["full", "lora", "rslora", "dora", "pissa", "olora", "mask"]
CLAIMS: tuple[Claim, ...] = get_args(Claim)
LOW_RANK = ("lora", "rslora", "dora", "pissa", "olora")
STATE = "trainer_state.json"


@dataclass(frozen=True, slots=True)
class CheckpointPairs:
    """Two whole checkpoints."""

    before: Checkpoint
    after: Checkpoint

    @property
    def names(self) -> list[str]:
        """See `Pairs`."""
        return aligned_names(self.before, self.after)

    def read(self, name: str) -> tuple[Tensor, Tensor]:
        """See `Pairs`."""
        return self.before.read(name), self.after.read(name)


@dataclass(frozen=True, slots=True)
class FactorPairs:
    """A base and a plain LoRA adapter: only what the adapter covers, without loading the model."""

    before: Checkpoint
    adapter: Adapter

    @property
    def names(self) -> list[str]:
        """See `Pairs`."""
        own = [f"{module}.weight" for module in self.adapter.modules] + self.adapter.whole
        return [name for name in own if name in self.before.shapes]

    def read(self, name: str) -> tuple[Tensor, Tensor]:
        """See `Pairs`. Raises AuditError if the shapes do not fit."""
        before = self.before.read(name)
        module = name.removesuffix(".weight")
        if module not in self.adapter.modules:
            after = self.adapter.read(name)
        else:
            update = self.adapter.update(module)
            _refuse_shape(self.adapter, name, update, before)
            after = before.float() + update
        _refuse_shape(self.adapter, name, after, before)
        return before, after


@dataclass(frozen=True, slots=True)
class LoadedPairs:
    """An adapter of another kind, merged by PEFT itself; held in memory."""

    tensors: dict[str, tuple[Tensor, Tensor]]

    @property
    def names(self) -> list[str]:
        """See `Pairs`."""
        return list(self.tensors)

    def read(self, name: str) -> tuple[Tensor, Tensor]:
        """See `Pairs`."""
        return self.tensors[name]


@dataclass(frozen=True)
class Subject:
    """A run that was made elsewhere.

    `checkpoint` is a whole trained checkpoint (TUNED itself, or what an adapter was merged into), `rank` what a claim
    of a low-rank method says of it. `seeds` and `problems` are those behind the run's claim.
    """

    base: str
    tuned: str
    before: Checkpoint
    adapter: Adapter | None = None
    checkpoint: Checkpoint | None = None
    claim: Claim | None = None
    rank: int | None = None
    history: TrainingLog | None = None
    completions: tuple[Completion, ...] = ()
    seeds: int = 1
    problems: int | None = None
    progress: Report = field(default=lambda message, done: None, repr=False)

    @cached_property
    def pairs(self) -> Pairs:
        """The update that is audited: the adapter's where there is one, else the checkpoint's."""
        if self.adapter is None:
            return CheckpointPairs(self.before, self.whole)
        if self.adapter.is_plain_lora:
            return FactorPairs(self.before, self.adapter)
        pairs = open_pairs(str(self.before.folder), str(self.adapter.folder), self.progress).tensors
        return LoadedPairs({name: (one, other.clone()) for name, one, other in pairs if not torch.equal(one, other)})

    @cached_property
    def changes(self) -> list[TensorChange]:
        """What the update did to each tensor."""
        return self._measured(self.pairs)

    @cached_property
    def checkpoint_changes(self) -> list[TensorChange]:
        """What differs between the base and the whole checkpoint. Raises LacksData without one."""
        whole = CheckpointPairs(self.before, self.whole)
        return self.changes if self.adapter is None else self._measured(whole)

    @cached_property
    def against_nulls(self) -> dict[str, Any]:
        """A sample of the trained matrices beside null updates. Raises LacksData where none moved."""
        moved = [
            change
            for change in self.changes
            if change.is_matrix and change.shown and not change.non_finite and not self.is_embedding(change.name)
        ]
        if not moved:
            raise LacksData("a matrix that changed in bf16")
        return against_nulls(self.pairs, moved)

    @property
    def whole(self) -> Checkpoint:
        """The whole checkpoint. Raises LacksData without one."""
        if self.checkpoint is None:
            raise LacksData("a whole or merged checkpoint (TUNED, or --merged)")
        return self.checkpoint

    @property
    def peft(self) -> Adapter:
        """The adapter. Raises LacksData without one."""
        if self.adapter is None:
            raise LacksData("an adapter folder with adapter_config.json")
        return self.adapter

    @property
    def log(self) -> TrainingLog:
        """The trainer's log. Raises LacksData without one."""
        if self.history is None:
            raise LacksData("a trainer's log (--log)")
        return self.history

    @property
    def sampled(self) -> Sequence[Completion]:
        """The logged completions. Raises LacksData without any."""
        if not self.completions:
            raise LacksData("logged completions (--log with TRL's completions .parquet)")
        return self.completions

    @property
    def is_low_rank(self) -> bool:
        """Whether the run claims a low-rank update, in its own words or by being a LoRA adapter."""
        return self.claim in LOW_RANK or (self.adapter is not None and self.adapter.peft_type == "LORA")

    @cached_property
    def is_tied(self) -> bool:
        """Whether the base's configuration, or its lack of an output matrix, says that the embeddings are tied."""
        path = self.before.folder / "config.json"
        if not path.is_file():
            return OUTPUT not in self.before.shapes
        try:
            config = json.loads(path.read_text(encoding="utf-8"))
        except (ValueError, RecursionError) as error:
            raise AuditError(f"{path} is not JSON ({error}): fetch or save the model again.") from error
        return isinstance(config, dict) and bool(config.get("tie_word_embeddings"))

    def is_embedding(self, name: str) -> bool:
        """Whether a tensor is the input or the output embedding."""
        return EMBEDDING.search(name) is not None or name == OUTPUT

    def _measured(self, pairs: Pairs) -> list[TensorChange]:
        measured: list[TensorChange] = []
        for change in changes(pairs, ranks=self.is_low_rank and pairs is self.pairs):
            measured.append(change)
            self.progress(change.name, len(measured) / max(len(pairs.names), 1))
        return measured


def open_subject(
    base: str,
    tuned: str,
    *,
    merged: str | None = None,
    logs: Sequence[Path] = (),
    claim: str | None = None,
    rank: int | None = None,
    seeds: int = 1,
    problems: int | None = None,
    progress: Report = lambda message, done: None,
) -> Subject:
    """Open what is audited; headers and logs are read, tensors not yet.

    Args:
        base: organism, packaged model, folder or hub id of the whole checkpoint that training started from.
        tuned: a PEFT adapter folder or a whole checkpoint; its trainer_state.json is read where `logs` are empty.
        merged: the whole checkpoint that the adapter was merged into.
        logs: trainer_state.json, exports as CSV or JSON lines, completions parquet or folders of it.
        claim: the method that the run is said to be.
        rank: of the claimed low-rank method, for a checkpoint without its adapter.
        seeds, problems: behind the claim, for its power.
        progress: is called while tensors are compared.

    Raises:
        AuditError, ModelError: something cannot be read, in one sentence.
    """
    before, folder = open_checkpoint(_folder(base, progress)), _folder(tuned, progress)
    adapter = open_adapter(folder) if (folder / CONFIG).is_file() else None
    _refuse_output_folder(folder)
    # A folder may hold an adapter and, beside it, the whole model that it was merged into.
    beside = adapter is not None and any(each.name != TENSORS for each in folder.glob("*.safetensors"))
    whole = _folder(merged, progress) if merged else folder if adapter is None or beside else None
    if merged and adapter is None:
        raise AuditError(f"--merged {merged}: {tuned} is no adapter; give the adapter folder as TUNED.")
    if not logs and (folder / STATE).is_file():
        logs = [folder / STATE]
    for path in logs:
        if not path.exists():
            raise AuditError(f"--log {path}: there is no such file.")
    tables = [path for path in logs if path.suffix == ".parquet" or path.is_dir()]
    histories = [path for path in logs if path not in tables]
    if len(histories) > 1:
        raise AuditError(f"--log {histories[1]}: a run has one log, and {histories[0]} is given; choose one.")
    return Subject(
        base,
        tuned,
        before,
        adapter,
        open_checkpoint(whole) if whole else None,
        _claim(claim),
        rank,
        read_log(histories[0]) if histories else None,
        tuple(read_completions(tables)) if tables else (),
        seeds,
        problems,
        progress,
    )


def _claim(name: str | None) -> Claim | None:
    claim = next((each for each in CLAIMS if each == name), None)
    if name is not None and claim is None:
        raise AuditError(f"--claim {name}: no such method{did_you_mean(name, CLAIMS)}")
    return claim


def _folder(name: str, progress: Callable[[str, float], None]) -> Path:
    """Return the local folder of a base or of what was trained."""
    if Path(name).is_dir() and name not in organism_names():
        return Path(name).resolve()
    return folder_of(base_named(name), progress)


def _refuse_output_folder(folder: Path) -> None:
    inner = sorted(path.name for path in folder.glob("checkpoint-*") if path.is_dir())
    if inner and not (folder / CONFIG).is_file() and not any(folder.glob("*.safetensors")):
        raise AuditError(f"{folder} is a trainer's output folder: give one of its checkpoints, such as {inner[-1]}.")


def _refuse_shape(adapter: Adapter, name: str, tensor: Tensor, before: Tensor) -> None:
    if tensor.shape != before.shape:
        raise ModelError(
            f"{name} is {tuple(before.shape)} in the base and {tuple(tensor.shape)} in adapter {adapter.folder}: give"
            " the base that it was trained on."
        )
