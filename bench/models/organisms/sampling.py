"""Answers of an organism, for its card: greedy, or sampled at temperature 1, in plain transformers.

The harness's rollout backends are not used: a model is measured before anything of a run exists.
"""

import torch
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

MAX_NEW_TOKENS = 72


def greedy_answers(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, questions: list[str]) -> list[str]:
    """The most likely continuation, token by token, of every question."""
    return _generate(model, tokenizer, questions, do_sample=False)


def sampled_answers(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, questions: list[str], samples: int, seed: int
) -> list[list[str]]:
    """`samples` answers to every question from the model's own distribution."""
    torch.manual_seed(seed)
    texts = _generate(model, tokenizer, questions, do_sample=True, top_k=0, num_return_sequences=samples)
    return [texts[start : start + samples] for start in range(0, len(texts), samples)]


def _generate(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, questions: list[str], **how: bool | int
) -> list[str]:
    inputs = tokenizer([question + "\n" for question in questions], return_tensors="pt", padding=True)
    with torch.no_grad():
        tokens = model.generate(**inputs, max_new_tokens=MAX_NEW_TOKENS, **how)
    return [str(tokenizer.decode(row, skip_special_tokens=True)) for row in tokens[:, inputs["input_ids"].shape[1] :]]
