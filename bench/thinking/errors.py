"""What a user can mend about one-token verification."""


class ThinkingError(ValueError):
    """Traces, a model or a policy do not do; the message is one sentence with what, where and the fix."""
