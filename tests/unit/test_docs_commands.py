"""Every `rlvr-bench ...` line of the command blocks in README and docs is one that the command line takes.

Only the parser reads them: verbs, options, and values that options check; nothing runs and no file is asked for.
"""

import re
import shlex
from pathlib import Path

import pytest
from typer.main import get_command

from rlvr_bench.cli.main import app

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md")] + sorted((ROOT / "docs").glob("*.md"))
COMMAND = get_command(app)


def _commands(text: str) -> list[str]:
    """Return the commands of a page's blocks without what explains them: two spaces or more begin that."""
    blocks = re.findall(r"^```[a-z]*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    found = []
    for block in blocks:
        joined = re.sub(r"\\\n\s*", "", block)
        joined = re.sub(r"\n +(?=[\[-])", " ", joined)
        for line in joined.splitlines():
            words = re.split(r"(?<=\S) {2,}(?=\S)|\s#\s", line.removeprefix("$ "), maxsplit=1)[0]
            found += [words.strip()] if words.startswith("rlvr-bench ") else []
    return found


def _parse(command: str) -> None:
    """Find the verb of a command and parse what follows; raises what the parser raises, or KeyError for a verb."""
    verb, words = COMMAND, shlex.split(_without_grammar(command))[1:]
    while hasattr(verb, "commands") and not words[0].startswith("-"):
        verb = verb.commands[words.pop(0)]
    verb.make_parser(verb.context_class(verb)).parse_args(words)


def _without_grammar(command: str) -> str:
    """Return `a [--b C] | d` as one command line that has the optional parts: "[--log FILE ...]" is "--log FILE"."""
    return re.sub(r" \.\.\.|(?<= )\[(?=--)|\](?=$| )", "", command)


CASES = [(page, command) for page in PAGES for command in _commands(page.read_text(encoding="utf-8"))]


@pytest.mark.parametrize(("page", "command"), CASES, ids=[f"{page.name}: {command}" for page, command in CASES])
def test_a_written_command_is_one_that_there_is(page: Path, command: str) -> None:
    for alternative in _alternatives(command):
        _parse(alternative)


def _alternatives(command: str) -> list[str]:
    """Return `new method|task DIR` as a command for each."""
    found = re.search(r"(?<= )([a-z]+(?:\|[a-z]+)+)(?= |$)", command)
    return [command.replace(found[0], each) for each in found[0].split("|")] if found else [command]


def test_pages_have_commands() -> None:
    assert len(CASES) > 30
    assert {page.name for page, _ in CASES} >= {"README.md", "index.md", "your-model.md", "your-method.md"}


@pytest.mark.parametrize(
    ("command", "fault"),
    [("trian quick", "trian"), ("run quick --sed 1", "--sed"), ("methods shwo lora", "shwo"), ("--hlep", "--hlep")],
)
def test_a_command_that_is_not_there_is_found(command: str, fault: str) -> None:
    with pytest.raises(Exception, match=fault):
        _parse(f"rlvr-bench {command}")
