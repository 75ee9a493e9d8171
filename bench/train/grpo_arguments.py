"""What TRL is told of a run: its GRPO arguments from our settings."""

from pathlib import Path

import torch
from trl import GRPOConfig

from rlvr_bench.experiment.settings import GrpoSettings
from rlvr_bench.train import processes
from rlvr_bench.train.seeds import derive
from rlvr_bench.train.training_run import TrainingRun


def grpo_arguments(run: TrainingRun[GrpoSettings]) -> GRPOConfig:
    """Return the arguments of one process of a run; what is not a setting of ours is as it is in every run."""
    settings = run.settings
    # The settings say what one optimizer step sees in all; TRL counts per process and per pass.
    rows = settings.batch_size // processes.size()
    update = rows // settings.updates_per_batch
    micro_batch = settings.micro_batch or update
    return GRPOConfig(
        output_dir=run.output_dir,
        run_name=Path(run.output_dir).name,
        seed=derive(run.seed, "data"),
        learning_rate=run.learning_rate,
        lr_scheduler_type="constant_with_warmup",
        warmup_steps=settings.warmup_steps,
        max_steps=settings.steps,
        max_grad_norm=settings.max_grad_norm,
        per_device_train_batch_size=micro_batch,
        gradient_accumulation_steps=update // micro_batch,
        steps_per_generation=rows // micro_batch,
        ddp_timeout=processes.TIMEOUT_SECONDS,
        ddp_broadcast_buffers=False,  # no method changes buffers, and every forward pass would wait for them
        num_generations=settings.group_size,
        max_completion_length=settings.max_new_tokens,
        temperature=settings.temperature,
        beta=0.0,
        router_aux_loss_coef=0.0,  # the loss is the one that the settings name, on mixtures of experts too
        # A range of [0, 1e9] never clips: that is how a side is taken away.
        epsilon=1.0 if settings.clip_low is None else settings.clip_low,
        epsilon_high=1e9 if settings.clip_high is None else settings.clip_high,
        loss_type=settings.loss_type,
        scale_rewards=settings.scale_rewards,
        bf16=settings.precision == "bf16",
        use_cpu=not torch.cuda.is_available(),
        gradient_checkpointing=False,
        disable_dropout=True,
        dataloader_pin_memory=False,
        logging_steps=1,
        logging_nan_inf_filter=False,
        report_to=list(settings.report_to) or "none",
        save_strategy="no",
        disable_tqdm=True,
        log_level="error",
    )
