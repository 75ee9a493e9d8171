"""`--serve [PORT]`: an option whose value may be left out, which Typer has no declaration for."""

from typing import Any

from typer.core import TyperCommand

SERVE, ANY_FREE_PORT = "--serve", "0"


class OptionalPort(TyperCommand):
    """A command whose `--serve` without a number means any free port."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # its class is one of click's or of Typer's own copy
        """Parse the command line with the port written out."""
        return super().parse_args(ctx, with_port(args))


def with_port(args: list[str]) -> list[str]:
    """Return the words of a command line in which every `--serve` has a number after it."""
    written: list[str] = []
    for place, word in enumerate(args):
        written.append(word)
        if word == SERVE and not (args[place + 1 : place + 2] and args[place + 1].lstrip("-").isdigit()):
            written.append(ANY_FREE_PORT)
    return written
