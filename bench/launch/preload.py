"""Imported once by the fork server, so that no cell pays for these imports again."""

import gc

import datasets  # noqa: F401
import lm_eval.evaluator  # noqa: F401
import peft  # noqa: F401
import torch  # noqa: F401
import transformers.models.auto.modeling_auto  # noqa: F401
import trl.trainer.grpo_trainer  # noqa: F401

import rlvr_bench.cell.run  # noqa: F401

# What was imported stays: cells need not look through it at every full collection.
gc.collect()
gc.freeze()
