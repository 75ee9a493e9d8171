"""The error of whoever asks for an experiment that cannot be run as it was written."""


class ExperimentError(ValueError):
    """The input is wrong: the message is one sentence with what, where and the fix."""
