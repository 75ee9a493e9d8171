"""Imported once by the fork server, so that no cell pays for these imports again. Holds no code."""

import datasets  # noqa: F401
import lm_eval.evaluator  # noqa: F401
import peft  # noqa: F401
import torch  # noqa: F401
import transformers.models.auto.modeling_auto  # noqa: F401
import trl.trainer.grpo_trainer  # noqa: F401

import bench.launch.run_cell  # noqa: F401
