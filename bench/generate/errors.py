"""The error of this room."""


class GenerationError(ValueError):
    """A request that no backend, or not the named one, can serve; the message is one sentence with the fix."""
