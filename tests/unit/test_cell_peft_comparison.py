"""The export for PEFT's method comparison, read as PEFT's own app reads it."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import pytest
from pydantic import BaseModel, ConfigDict, Field
from record_factory import record
from typer.testing import CliRunner

from rlvr_bench.cell.peft_comparison import experiment_name, file_name, result_file
from rlvr_bench.cli.main import app
from rlvr_bench.record.errors import RecordError
from rlvr_bench.record.schema import RunRecord, StepRecord
from rlvr_bench.record.store import write_run

STEPS = [StepRecord(step=number, loss=0.5 / number) for number in (1, 40)]
CONFIG = {"peft_type": "LORA", "r": 8, "target_modules": ["q_proj"], "lora_alpha": 16}


class Part(BaseModel):
    """A part of the file; other keys are allowed, a number is never a text."""

    model_config = ConfigDict(strict=True, extra="allow", allow_inf_nan=False)


class TrainConfig(Part):
    """`TrainConfig` of peft/method_comparison/MetaMathQA/utils.py."""

    model_id: str
    dtype: Literal["float32", "float16", "bfloat16", "int8", "int4"]
    batch_size: int = Field(gt=0)
    max_steps: int = Field(gt=0)
    seed: int
    optimizer_type: str
    optimizer_kwargs: dict[str, Any]
    lr_scheduler: Literal["cosine"] | None
    query_template: str = Field(pattern=r"\{query\}")


class RunInfo(Part):
    """`run_info`."""

    created_at: str
    total_time: float
    experiment_name: str = Field(pattern=r"^[^/]+/[^/]+$")
    peft_branch: str
    train_config: TrainConfig
    peft_config: dict[str, Any] | None
    error_msg: str


class TrainInfo(Part):
    """`train_info`."""

    accelerator_memory_reserved_avg: int
    accelerator_memory_max: int
    accelerator_memory_reserved_99th: int
    train_time: float
    file_size: int
    num_trainable_params: int
    num_total_params: int
    status: Literal["success", "failed", "canceled"]
    metrics: list[dict[str, float | int]]


class MetaInfo(Part):
    """`meta_info`."""

    model_info: dict[str, str | None]
    dataset_info: dict[str, dict[str, str | None]]
    package_info: dict[str, str | None]
    system_info: dict[str, str]
    pytorch_info: str


class ResultFile(BaseModel):
    """The whole file: three parts and no other."""

    model_config = ConfigDict(strict=True, extra="forbid")

    run_info: RunInfo
    train_info: TrainInfo
    meta_info: MetaInfo


def scored(method: str = "lora", settings: dict[str, Any] | None = None, config: Any = CONFIG) -> RunRecord:
    one = record(method, settings=settings)
    attestation = (one.attestation or {}) | {"optimizer": "AdamW", "realised": {"peft_config": config}}
    return one.model_copy(update={"attestation": attestation})


def exported(one: RunRecord) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(json.dumps(result_file(one, STEPS, datetime(2026, 1, 2, tzinfo=UTC))))
    return document


def test_the_file_has_the_shape_of_pefts() -> None:
    one = scored()
    document = exported(one)
    read = ResultFile.model_validate_json(json.dumps(document))
    assert read.run_info.peft_config == CONFIG
    assert read.run_info.experiment_name == f"lora/{one.comparison}-lora-seed-0"
    assert read.train_info.metrics[-1] == {
        "step": 40,
        "test accuracy": one.score("tuned", "chain", "test").greedy,  # type: ignore[union-attr]
        "train loss": 0.0125,
        "train samples": 40 * 16,
        "train total tokens": 5000,
    }
    assert read.train_info.file_size == 4000 and read.train_info.status == "success"
    assert read.run_info.train_config.optimizer_kwargs == {"lr": 0.001, "weight_decay": 0.0}


def test_a_table_of_such_files_takes_pefts_columns() -> None:
    """The columns and types of `processing.load_df`: one that cannot be converted would end their app."""
    rows = []
    for document in map(exported, (scored(), scored("full", config=None), scored("mask", {"density": 0.1}, None))):
        run, train, meta = (document[name] for name in ("run_info", "train_info", "meta_info"))
        rows.append(
            {
                "peft_type": run["peft_config"]["peft_type"] if run["peft_config"] else "full-finetuning",
                "accelerator_memory_max": train["accelerator_memory_max"],
                "file_size": train["file_size"],
                "total_time": run["total_time"],
                "test_accuracy": train["metrics"][-1]["test accuracy"],
                "train_loss": train["metrics"][-1]["train loss"],
                "train_samples": train["metrics"][-1]["train samples"],
                "train_total_tokens": train["metrics"][-1]["train total tokens"],
                "torch_version": meta["package_info"]["torch-version"],
                "bitsandbytes_version": meta["package_info"]["bitsandbytes-version"],
                "created_at": run["created_at"],
            }
        )
    types = {"accelerator_memory_max": int, "file_size": int, "total_time": float, "test_accuracy": float}
    types |= {"train_loss": float, "train_samples": int, "train_total_tokens": int, "torch_version": "string"}
    table = pd.DataFrame(rows).astype(types)
    assert table["peft_type"].tolist() == ["LORA", "full-finetuning", "MASK"]
    assert pd.to_datetime(table["created_at"]).notna().all()


@pytest.mark.parametrize(("status", "theirs"), [("collapsed", "success"), ("failed", "failed"), ("invalid", "failed")])
def test_a_status_has_pefts_name(status: str, theirs: str) -> None:
    one = scored().model_copy(update={"status": status})
    assert exported(one)["train_info"]["status"] == theirs


def test_a_run_without_a_test_score_or_steps_is_refused() -> None:
    with pytest.raises(RecordError, match="no greedy accuracy on its test split"):
        result_file(record("lora", status="failed"), STEPS, datetime.now(UTC))
    with pytest.raises(RecordError, match="no step with a loss"):
        result_file(scored(), [], datetime.now(UTC))


def test_the_command_writes_a_file_or_into_a_folder_by_pefts_name(tmp_path: Path) -> None:
    one = scored()
    write_run(tmp_path / "results", one, STEPS)
    places = ["--results", str(tmp_path / "results"), "--peft-json"]
    for target, written in ((tmp_path / "one.json", tmp_path / "one.json"), (tmp_path, tmp_path / file_name(one))):
        done = CliRunner().invoke(app, ["export", one.cell_id, *places, str(target)])
        assert (done.exit_code, done.stdout.strip()) == (0, str(written))
        assert json.loads(written.read_text())["run_info"]["experiment_name"] == experiment_name(one)
    refused = CliRunner().invoke(app, ["export", one.cell_id, *places, "x.json", "--push", "a/b"])
    assert "--push uploads weights" in str(refused.exception)
    refused = CliRunner().invoke(app, ["export", one.cell_id, *places, "x.json", "--merged", "x"])
    assert "one of them" in str(refused.exception)
