"""Pre-training of an organism: from a recipe to a model, resumable, the same whether or not it was interrupted.

The loss is the negative log-likelihood of a whole answer, averaged over answers (not over tokens): only so does the
first token of an answer, where the model chooses between working and answering at once, weigh the same in long and
short answers, and the share of worked answers comes out as put in.
"""

from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.optim import AdamW
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from rlvr_bench.models.errors import ModelError
from rlvr_bench.models.organisms.checkpoint import load_checkpoint, save_checkpoint
from rlvr_bench.models.organisms.packing import IGNORED, PackedBatch, pack
from rlvr_bench.models.organisms.recipe import Recipe, Stage
from rlvr_bench.models.organisms.text import Example, step_examples
from rlvr_bench.models.source import WEIGHTS, organism_names
from rlvr_bench.models.tokenizer import character_tokenizer
from rlvr_bench.plugins.suggestion import did_you_mean

OnStep = Callable[[int, float], None]
"""Called after every optimizer step with the number of steps done and the loss (nats per answer)."""

SAVE_EVERY = 100
CLIP_NORM = 1.0
TYPICAL_ANSWER = 25.0
"""Tokens. The loss is nats per answer over this constant: the gradient keeps the scale that a mean over tokens has."""


def new_model(recipe: Recipe, tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """A float32 Llama of the recipe's shape: drawn from its seed, or the organism that the recipe starts from."""
    if recipe.start is not None:
        if recipe.start not in organism_names():
            raise ModelError(
                f"{recipe.name} starts from {recipe.start!r}{did_you_mean(recipe.start, organism_names())}"
            )
        return LlamaForCausalLM.from_pretrained(WEIGHTS / recipe.start, dtype=torch.float32, use_safetensors=True)
    shape = recipe.shape
    torch.manual_seed(recipe.seed)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=shape.width,
            num_hidden_layers=shape.layers,
            num_attention_heads=shape.heads,
            num_key_value_heads=shape.heads,
            intermediate_size=shape.feed_forward,
            max_position_embeddings=shape.context,
            tie_word_embeddings=True,
            bos_token_id=None,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def stage_at(recipe: Recipe, step: int) -> tuple[Stage, int]:
    """The stage of optimizer step `step` (from 0), and the step's number within it."""
    for stage in recipe.stages:
        if step < stage.steps:
            return stage, step
        step -= stage.steps
    raise IndexError(f"Recipe {recipe.name!r} has {recipe.steps} steps: ask for one of them.")


def rate_at(stage: Stage, step: int) -> float:
    """The learning rate at a step of a stage: a linear rise over the warm-up, then a linear fall."""
    if step < stage.warmup:
        return stage.learning_rate * (step + 1) / stage.warmup
    done = (step - stage.warmup) / max(1, stage.steps - stage.warmup)
    return stage.learning_rate + done * (stage.final_rate - stage.learning_rate)


def answer_loss(model: LlamaForCausalLM, batch: PackedBatch, answers: int) -> Tensor:
    """Nats per answer over TYPICAL_ANSWER: summed over answer tokens, averaged over `answers` answers."""
    hidden = model.model(
        input_ids=batch.ids, position_ids=batch.positions, attention_mask=batch.mask, use_cache=False
    ).last_hidden_state
    learned = batch.labels != IGNORED
    nats = F.cross_entropy(model.lm_head(hidden[learned]), batch.labels[learned], reduction="sum")
    return nats / (answers * TYPICAL_ANSWER)


def pretrain(recipe: Recipe, checkpoints: Path, on_step: OnStep, until: int | None = None) -> LlamaForCausalLM:
    """Train by the recipe, from the checkpoint in `checkpoints` if there is one; stop early after `until` steps.

    Saves a checkpoint every SAVE_EVERY steps and at the end. Raises ModelError on another recipe's checkpoint.
    """
    tokenizer = character_tokenizer(recipe.shape.context)
    model = new_model(recipe, tokenizer)
    optimizer = AdamW(model.parameters(), lr=0.0, betas=recipe.betas, weight_decay=recipe.weight_decay)
    first, last = load_checkpoint(checkpoints, recipe, model, optimizer), min(until or recipe.steps, recipe.steps)
    model.train()
    for step in range(first, last):
        stage, within = stage_at(recipe, step)
        examples = step_examples(recipe, step, stage.answers)
        loss = answer_loss(model, pack([encode(tokenizer, one) for one in examples], recipe.row), len(examples))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP_NORM)
        for group in optimizer.param_groups:
            group["lr"] = rate_at(stage, within)
        optimizer.step()
        optimizer.zero_grad()
        if (step + 1) % SAVE_EVERY == 0 or step + 1 == last:
            save_checkpoint(checkpoints, recipe, step + 1, model, optimizer)
        on_step(step + 1, loss.item() * TYPICAL_ANSWER)
    return model.eval()


def encode(tokenizer: PreTrainedTokenizerFast, one: Example) -> tuple[list[int], list[int]]:
    """Prompt ids, and answer ids with the end token."""
    prompt, answer = tokenizer([one.prompt, one.answer])["input_ids"]
    return prompt, [*answer, tokenizer.eos_token_id]
