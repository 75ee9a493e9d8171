"""From a prompt to token ids: one way for training and evaluation, so that both ask the same thing."""

from transformers import PreTrainedTokenizerBase

from rlvr_bench.generate.chat_template import try_out

Prompt = str | list[dict[str, str]]
"""Plain text for a base model, or chat messages for a model with a chat template."""


def prompt_ids(tokenizer: PreTrainedTokenizerBase, prompt: Prompt) -> list[int]:
    """Return the token ids of a prompt; messages go through the tokenizer's own chat template.

    Raises:
        ValueError: messages are to be rendered by a tokenizer that has no chat template, or one that cannot be used.
    """
    if isinstance(prompt, str):
        plain: list[int] = tokenizer(prompt)["input_ids"]
        return plain
    if tokenizer.chat_template is None:
        raise ValueError(
            "the task asks in chat messages, but this model's tokenizer has no chat template; set task.chat = false"
        )
    try_out(tokenizer, prompt)
    rendered = tokenizer.apply_chat_template(prompt, add_generation_prompt=True, tokenize=False)
    ids: list[int] = tokenizer(rendered, add_special_tokens=False)["input_ids"]
    return ids
