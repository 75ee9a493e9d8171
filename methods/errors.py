"""The one error type of this package."""


class MethodError(Exception):
    """A method cannot be built, attached or loaded; the message is one sentence: got, expected, the fix."""
