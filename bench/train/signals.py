"""The learning signals by name: each trains a handle in place and gives step records and its last trainer."""

from collections.abc import Callable
from typing import Any

from rlvr_bench.record.schema import StepRecord
from rlvr_bench.train import dpo, es, rft, rlhf, rlvr, sft, sft_rlvr
from rlvr_bench.train.training_run import StepListener, Trained, TrainingRun

Train = Callable[[TrainingRun[Any], StepListener], tuple[list[StepRecord], Trained]]

SIGNALS: dict[str, Train] = {
    "rlvr": rlvr.train,
    "sft": sft.train,
    "rft": rft.train,
    "dpo": dpo.train,
    "rlhf": rlhf.train,
    "sft+rlvr": sft_rlvr.train,
    "es": es.train,
}
