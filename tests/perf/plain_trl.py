"""The script a user would write: TRL's GRPOTrainer with a PEFT config, as TRL's documentation shows it.

Prints one JSON line: seconds of training and of everything after the imports, the reward of each step, peak memory.
"""

import argparse
import json
import resource
import tempfile
import time
from typing import Any

import torch
from datasets import Dataset
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import GRPOConfig, GRPOTrainer

from rlvr_bench.tasks import registry as task_registry


def main() -> None:
    """Train as the options say."""
    options = _options()
    torch.set_num_threads(options.threads)
    started = time.perf_counter()
    task = task_registry.create(json.loads(options.task))
    problems = {str(task.prompt(problem)): problem for problem in task.problems("train")}
    tokenizer = AutoTokenizer.from_pretrained(options.folder)
    model = AutoModelForCausalLM.from_pretrained(options.folder, dtype=torch.float32)
    prompts = [task.prompt(problem) for problem in task.problems("train")]

    def reward(prompts: list[Any], completions: list[Any], **_: Any) -> list[float]:
        texts = [each if isinstance(each, str) else each[0]["content"] for each in completions]
        return [
            float(task.verify(text, problems[str(prompt)]).correct) for prompt, text in zip(prompts, texts, strict=True)
        ]

    if options.method == "mask":
        _keep_a_tenth_of_the_gradient(model)
    trainer = GRPOTrainer(
        model=model,
        reward_funcs=reward,
        args=_arguments(options),
        train_dataset=Dataset.from_dict({"prompt": prompts}),
        processing_class=tokenizer,
        peft_config=_lora(options.rank) if options.method == "lora" else None,
    )
    trained = time.perf_counter()
    trainer.train()
    ended = time.perf_counter()
    rewards = [entry["reward"] for entry in trainer.state.log_history if "reward" in entry]
    print(
        json.dumps(
            {
                "train": ended - trained,
                "whole": ended - started,
                "rewards": rewards,
                "peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
            }
        )
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--task", required=True, help="settings as JSON")
    parser.add_argument("--method", choices=["full", "lora", "mask"], required=True)
    parser.add_argument("--rank", type=int, default=8)
    parser.add_argument("--learning-rate", type=float, required=True)
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--prompts", type=int, required=True)
    parser.add_argument("--group-size", type=int, required=True)
    parser.add_argument("--micro-batch", type=int)
    parser.add_argument("--max-new-tokens", type=int, required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--bf16", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def _arguments(options: argparse.Namespace) -> GRPOConfig:
    batch = options.prompts * options.group_size
    micro_batch = options.micro_batch or batch
    return GRPOConfig(
        output_dir=tempfile.mkdtemp(),
        seed=options.seed,
        learning_rate=options.learning_rate,
        lr_scheduler_type="constant",
        max_steps=options.steps,
        per_device_train_batch_size=micro_batch,
        gradient_accumulation_steps=batch // micro_batch,
        num_generations=options.group_size,
        max_completion_length=options.max_new_tokens,
        temperature=1.0,
        gradient_checkpointing=False,
        use_cpu=True,
        bf16=options.bf16,
        logging_steps=1,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )


def _lora(rank: int) -> LoraConfig:
    return LoraConfig(r=rank, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM")


def _keep_a_tenth_of_the_gradient(model: torch.nn.Module) -> None:
    """A sparse mask as a script does it: full fine-tuning with a hook on the gradient of every matrix."""
    generator = torch.Generator().manual_seed(0)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_("_proj" in name)
        if parameter.requires_grad:
            mask = (torch.rand(parameter.shape, generator=generator) < 0.1).to(parameter.dtype)
            parameter.register_hook(lambda gradient, mask=mask: gradient * mask)


if __name__ == "__main__":
    main()
