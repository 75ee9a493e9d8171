"""A checkpoint's chat template is a program of strangers: before it is used, it is tried out where it can do no harm.

transformers renders it in a sandbox that has no files and no network, but no limit on time or memory either. So the
first rendering happens in a child that the system ends when it takes too much of either.
"""

import contextlib
import os
import resource
from pathlib import Path
from typing import NoReturn

from transformers import PreTrainedTokenizerBase

SECONDS = 10
"""Processor time that one prompt may take to render; measured templates take milliseconds."""
BYTES = 2 * 2**30
"""Memory that it may take beside what the process has."""

_STATM = Path("/proc/self/statm")
_tried: set[tuple[str, ...]] = set()


def try_out(tokenizer: PreTrainedTokenizerBase, messages: list[dict[str, str]]) -> None:
    """Render messages in a child, once for each template and number of messages.

    Raises:
        ValueError: the template fails, or takes more than the limits; with what to do about it.
    """
    key = (str(tokenizer.chat_template), *(message["role"] for message in messages))
    if key in _tried:
        return
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        _render(tokenizer, messages, writer)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        answer = pipe.read().decode(errors="replace")
    _, status = os.waitpid(child, 0)
    if status != 0:
        reason = answer or f"it took more than {SECONDS} s or {BYTES // 2**30} GiB"
        raise ValueError(f"the model's chat template cannot be used: {reason}; mend it, or set task.chat = false")
    _tried.add(key)


def _render(tokenizer: PreTrainedTokenizerBase, messages: list[dict[str, str]], writer: int) -> NoReturn:
    """Render in this child and end it: with success, or with the reason in the pipe."""
    code = 1
    try:
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS + 1))
        if (mapped := _address_space()) is not None:
            resource.setrlimit(resource.RLIMIT_AS, (mapped + BYTES,) * 2)
        tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
        code = 0
    except MemoryError:
        pass  # nothing is said: the parent names the limits
    except Exception as error:  # noqa: BLE001 - the boundary of the child: any error is the parent's sentence
        with contextlib.suppress(OSError):
            os.write(writer, " ".join(str(error).split())[:300].encode())
    finally:
        os._exit(code)


def _address_space() -> int | None:
    """Bytes that the process has mapped; None where the system does not say."""
    if not _STATM.exists():
        return None
    return int(_STATM.read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
