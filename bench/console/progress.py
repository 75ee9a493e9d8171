"""What long work tells whoever watches it: sentences, and how far it is. Draws nothing and imports nothing that does.

Rooms that compute take a `Watcher`; the command line gives them a terminal's (`bars.Bars`), a test gives `Unwatched`.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

Report = Callable[[str, float], None]
"""Called with what is being done now and the share done, from 0 to 1."""


class Watcher(Protocol):
    """Whom long work tells what it does."""

    def say(self, *sentences: str) -> None:
        """Take sentences for the user."""
        ...

    def bar(self, name: str) -> AbstractContextManager[Report]:
        """Return the progress of one stage, which is shown under its name until the context ends."""
        ...


class Unwatched:
    """A watcher that shows nothing."""

    def say(self, *sentences: str) -> None:
        """Drop them."""

    def bar(self, name: str) -> AbstractContextManager[Report]:
        """Return a progress that nobody sees."""
        return nullcontext(lambda message, done: None)
