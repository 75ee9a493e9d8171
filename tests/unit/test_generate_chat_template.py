"""Chat templates of strangers: used when they render, refused in a sentence when they take time or memory or fail."""

import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rlvr_bench.generate import chat_template
from rlvr_bench.generate.chat_template import render
from rlvr_bench.generate.prompt_ids import all_prompt_ids, prompt_ids
from rlvr_bench.models.tokenizer import character_tokenizer
from rlvr_bench.record.cache import locked

PLAIN = "{% for message in messages %}{{ message.role }}: {{ message.content }}\n{% endfor %}"
BOMBS = {
    "memory": ("{{ 'a' * 10**10 }}", "GiB"),
    "length": ("{{ messages[0].content * 10**7 }}", "more than 4,194,304 characters"),
    "sentence": ("{{ raise_exception('no users here') }}", "no users here"),
    "escape": ("{{ ''.__class__.__mro__ }}", "set task.chat = false"),
    "time": ("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}", "took more than"),
    "number": ("{{ 10 ** (messages[0].content | length * 10**9) }}", "took more than"),
    "padding": ("{{ 'a'.center(10**10) }}", "GiB"),
    "recursion": ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "recursion"),
}


def _asked(content: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": content}]


def _ids(template: str, *contents: str) -> list[list[int]]:
    tokenizer = character_tokenizer(64)
    tokenizer.chat_template = template
    return all_prompt_ids(tokenizer, map(_asked, contents))


@pytest.fixture(autouse=True)
def no_child() -> Iterator[None]:
    """Limits reach a child when it is forked."""
    chat_template._end()
    yield
    chat_template._end()


def test_a_template_that_renders_gives_what_transformers_gives() -> None:
    tokenizer = character_tokenizer(64)
    tokenizer.chat_template = PLAIN
    contents = ["1 + 1", "", "ünïcödé \ud800", 'a "quote" and\n\na line' * 999]
    expected = [
        tokenizer(tokenizer.apply_chat_template(_asked(content), tokenize=False), add_special_tokens=False)["input_ids"]
        for content in contents[:2]
    ]
    assert _ids(PLAIN, *contents[:2]) == expected
    assert render(tokenizer, list(map(_asked, contents))) == [f"user: {content}\n" for content in contents]
    assert all_prompt_ids(tokenizer, ["plain", _asked("1"), "plain"])[1] == prompt_ids(tokenizer, _asked("1"))
    whole = [{"role": "user", "content": "1"}, {"role": "assistant", "content": "2"}]
    assert render(tokenizer, [whole], continue_final_message=True) == ["user: 1\nassistant: 2"]


@pytest.mark.parametrize("name", BOMBS)
def test_a_hostile_template_is_refused_in_a_sentence(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat_template, "SECONDS", 1)
    template, reason = BOMBS[name]
    with pytest.raises(ValueError, match="chat template cannot be used") as refused:
        _ids(template, "1 + 1")
    assert reason in str(refused.value)


@pytest.mark.parametrize("name", BOMBS)
def test_one_that_waits_for_a_later_prompt_is_refused_too(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat_template, "SECONDS", 1)
    template, reason = BOMBS[name]
    late = "{% if 'last' in messages[0].content %}" + template + "{% endif %}{{ messages[0].content }}"
    assert len(_ids(late, "1", "2")) == 2
    with pytest.raises(ValueError, match="chat template cannot be used") as refused:
        _ids(late, "1", "2", "the last")
    assert reason in str(refused.value)
    assert len(_ids(late, "1", "2")) == 2


@pytest.mark.parametrize("content", ["1", "1" * 10**6])
def test_a_child_that_waits_for_ever_is_ended_by_the_clock(content: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat_template, "PATIENCE", -0.5)
    with monkeypatch.context() as stuck:
        stuck.setattr(chat_template, "_serve", lambda *_: time.sleep(1e6))
        with pytest.raises(ValueError, match="took more than"):
            _ids(PLAIN, content)
    monkeypatch.setattr(chat_template, "PATIENCE", 900)
    assert len(_ids(PLAIN, content)) == 1


def test_one_child_serves_a_process_and_a_fork_has_its_own() -> None:
    tokenizer = character_tokenizer(64)
    tokenizer.chat_template = PLAIN
    render(tokenizer, [_asked("1")])
    first = chat_template._child
    render(tokenizer, [_asked("2")])
    assert first is not None and chat_template._child is first
    fork = os.fork()
    if fork == 0:
        fresh = False
        try:
            fresh = chat_template._child is None and render(tokenizer, [_asked("3")]) == ["user: 3\n"]
            chat_template._end()
        finally:
            os._exit(0 if fresh else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(fork, 0)[1]) == 0
    assert render(tokenizer, [_asked("4")]) == ["user: 4\n"] and chat_template._child is first
    tokenizer.chat_template = "{{ messages[0].content }}"
    assert render(tokenizer, [_asked("5")]) == ["5"] and not Path(f"/proc/{first._id}").exists()


def test_a_child_ends_with_its_process_however_that_ends(tmp_path: Path) -> None:
    note, fork = tmp_path / "child", os.fork()
    if fork == 0:
        try:
            tokenizer = character_tokenizer(64)
            tokenizer.chat_template = PLAIN
            render(tokenizer, [_asked("1")])
            assert chat_template._child is not None
            note.write_text(str(chat_template._child._id))
        finally:
            os.kill(os.getpid(), 9)
    os.waitpid(fork, 0)
    while Path(f"/proc/{note.read_text()}/status").exists() and "Z" not in _state(note.read_text()):
        time.sleep(0.05)


def _state(process: str) -> str:
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]


def test_what_the_parent_holds_ends_while_the_child_lives(tmp_path: Path) -> None:
    read, written = os.pipe()
    os.set_blocking(read, False)
    with locked(tmp_path / "held.lock"):
        _ids(PLAIN, "1")
    os.close(written)
    assert chat_template._child is not None
    assert os.read(read, 1) == b""  # it would block if the child had the other end still
    os.close(read)
    with (tmp_path / "held.lock").open("w") as again:
        fcntl.flock(again, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert _ids(PLAIN, "2") == _ids(PLAIN, "2")
