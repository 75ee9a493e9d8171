"""Chat templates of strangers: used when they render, refused in a sentence when they take time or memory or fail."""

import pytest

from rlvr_bench.generate import chat_template
from rlvr_bench.generate.prompt_ids import prompt_ids
from rlvr_bench.models.tokenizer import character_tokenizer

MESSAGES = [{"role": "user", "content": "1 + 1"}]


def _ids(template: str) -> list[int]:
    tokenizer = character_tokenizer(64)
    tokenizer.chat_template = template
    return prompt_ids(tokenizer, MESSAGES)


def test_a_template_that_renders_is_used() -> None:
    plain = character_tokenizer(64)("1 + 1", add_special_tokens=False)["input_ids"]
    assert _ids("{% for message in messages %}{{ message.content }}{% endfor %}") == plain


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("{{ 'a' * 10**10 }}", "GiB"),
        ("{{ raise_exception('no users here') }}", "no users here"),
        ("{{ ''.__class__.__mro__ }}", "set task.chat = false"),
        ("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}", "took more than"),
    ],
)
def test_a_hostile_template_is_refused_in_a_sentence(
    template: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat_template, "SECONDS", 1)
    with pytest.raises(ValueError, match="chat template cannot be used") as refused:
        _ids(template)
    assert reason in str(refused.value)
