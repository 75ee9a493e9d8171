"""From a prompt to token ids: one way for training and evaluation, so that both ask the same thing."""

from collections.abc import Iterable

from transformers import PreTrainedTokenizerBase

from rlvr_bench.generate.chat_template import render

Prompt = str | list[dict[str, str]]
"""Plain text for a base model, or chat messages for a model with a chat template."""


def prompt_ids(tokenizer: PreTrainedTokenizerBase, prompt: Prompt) -> list[int]:
    """Return the token ids of one prompt; see `all_prompt_ids`."""
    return all_prompt_ids(tokenizer, [prompt])[0]


def all_prompt_ids(tokenizer: PreTrainedTokenizerBase, prompts: Iterable[Prompt]) -> list[list[int]]:
    """Return the token ids of prompts; messages go through the tokenizer's own chat template.

    Raises:
        ValueError: messages are to be rendered by a tokenizer that has no chat template, or one that cannot be used.
    """
    asked = list(prompts)
    chats = [prompt for prompt in asked if not isinstance(prompt, str)]
    if chats and tokenizer.chat_template is None:
        raise ValueError(
            "the task asks in chat messages, but this model's tokenizer has no chat template; set task.chat = false"
        )
    rendered = iter(render(tokenizer, chats, add_generation_prompt=True) if chats else ())
    return [
        tokenizer(prompt)["input_ids"]
        if isinstance(prompt, str)
        else tokenizer(next(rendered), add_special_tokens=False)["input_ids"]
        for prompt in asked
    ]
