"""A checkpoint's chat template is a program of strangers: it is rendered where it can do no harm.

transformers renders it in a sandbox that has no files and no network, but no limit on time or memory either. So all
rendering happens in a child that the system ends when a prompt takes too much of either. One child serves a process.
"""

import atexit
import contextlib
import json
import os
import resource
import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from transformers import PreTrainedTokenizerBase

SECONDS = 10
"""Processor time that one prompt may take to render; measured templates take milliseconds."""
PATIENCE = 100.0
"""Seconds by the clock after which a child is ended, and one more for each prompt: the machine may be busy, and a
fork of a process with threads may wait for ever for a lock that one of them held, without any processor time."""
BYTES = 2 * 2**30
"""Memory that it may take beside what the process has."""
CHARACTERS = 2**22
"""Length that it may have: a thousand pages, more than the context of any model here."""

Messages = Sequence[Mapping[str, str]]

_STATM = Path("/proc/self/statm")


def render(tokenizer: PreTrainedTokenizerBase, prompts: Sequence[Messages], **options: bool) -> list[str]:
    """Return chats in the tokenizer's own template; `options` are those of `apply_chat_template`.

    Raises:
        ValueError: the template fails, or takes more than the limits; with what to do about it.
    """
    with _LOCK:
        try:
            return _child_of(tokenizer).rendered(prompts, options)
        except _RefusedError as refused:
            _end()
            raise ValueError(
                f"the model's chat template cannot be used: {refused}; mend it, or set task.chat = false"
            ) from None


class _RefusedError(Exception):
    """What is wrong with a template."""


class _Child:
    """A fork of this process that renders the template of one tokenizer until the pipe to it is closed."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self.tokenizer, self.template = tokenizer, tokenizer.chat_template
        asked_by_child, asking = os.pipe()
        answers, answering = os.pipe()
        self._id = os.fork()
        if self._id == 0:
            _keep_only(asked_by_child, answering)
            _serve(tokenizer, os.fdopen(asked_by_child, "rb"), os.fdopen(answering, "wb"))
        os.close(asked_by_child)
        os.close(answering)
        self._asking, self._answers = os.fdopen(asking, "wb"), os.fdopen(answers, "rb")

    def rendered(self, prompts: Sequence[Messages], options: Mapping[str, bool]) -> list[str]:
        with self._ended_after(PATIENCE + len(prompts)):
            with contextlib.suppress(BrokenPipeError):  # no answer comes from a child that has ended
                self._asking.write(json.dumps([list(map(list, prompts)), options]).encode() + b"\n")
                self._asking.flush()
            answer = self._answers.readline()
        if not answer.endswith(b"\n"):
            raise _RefusedError(f"it took more than {SECONDS} s or {BYTES // 2**30} GiB")
        reason, texts = json.loads(answer)
        if reason is not None:
            raise _RefusedError(reason)
        return list(texts)

    @contextlib.contextmanager
    def _ended_after(self, seconds: float) -> Iterator[None]:
        """Kill the child if this takes longer."""
        late = threading.Timer(seconds, os.kill, (self._id, signal.SIGKILL))
        late.daemon = True
        late.start()
        try:
            yield
        finally:
            late.cancel()

    def close(self) -> None:
        """End the child: it reads that nothing more comes."""
        self.forget()
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self._id, 0)

    def forget(self) -> None:
        """Close this process's ends of the pipes."""
        for end in (self._asking, self._answers):
            with contextlib.suppress(OSError):
                end.close()


_LOCK = threading.RLock()
_child: _Child | None = None


def _child_of(tokenizer: PreTrainedTokenizerBase) -> _Child:
    global _child
    if _child is not None and (_child.tokenizer is not tokenizer or _child.template != tokenizer.chat_template):
        _end()
    if _child is None:
        _child = _Child(tokenizer)
    return _child


def _end() -> None:
    global _child
    if _child is not None:
        _child.close()
        _child = None


def _forget() -> None:
    """In a fork of this process: the child is the parent's alone, which else could not close its pipe."""
    global _child, _LOCK
    _LOCK = threading.RLock()
    if _child is not None:
        _child.forget()
        _child = None


os.register_at_fork(after_in_child=_forget)
atexit.register(_end)


def _keep_only(*pipes: int) -> None:
    """In this child: close all else that it has inherited, whose locks and pipes are the parent's to end."""
    first = 3
    for pipe in sorted(pipes):
        os.closerange(first, pipe)
        first = pipe + 1
    os.closerange(first, os.sysconf("SC_OPEN_MAX"))


def _serve(tokenizer: PreTrainedTokenizerBase, requests: BinaryIO, answers: BinaryIO) -> NoReturn:
    """Answer requests in this child until there are no more, and end it; for too much of anything it ends before."""
    try:
        if (mapped := _address_space()) is not None:
            resource.setrlimit(resource.RLIMIT_AS, (mapped + BYTES,) * 2)
        for request in requests:
            prompts, options = json.loads(request)
            answers.write(json.dumps(_answer(tokenizer, prompts, options)).encode() + b"\n")
            answers.flush()
    except MemoryError:
        pass  # nothing is said: the parent names the limits
    finally:
        os._exit(0)


def _answer(
    tokenizer: PreTrainedTokenizerBase, prompts: Sequence[Messages], options: Mapping[str, bool]
) -> tuple[str | None, list[str]]:
    """Return what is wrong, else None, and the rendered prompts."""
    texts: list[Any] = []
    for messages in prompts:
        limit = int(time.process_time()) + 1 + SECONDS
        resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.getrlimit(resource.RLIMIT_CPU)[1]))
        try:
            text = tokenizer.apply_chat_template(messages, tokenize=False, **options)
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001 - the boundary of the child: any error is the parent's sentence
            return " ".join(str(error).split())[:300], []
        if len(text) > CHARACTERS:
            return f"it makes a prompt of more than {CHARACTERS:,} characters", []
        texts.append(text)
    return None, texts


def _address_space() -> int | None:
    """Bytes that the process has mapped; None where the system does not say."""
    if not _STATM.exists():
        return None
    return int(_STATM.read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
