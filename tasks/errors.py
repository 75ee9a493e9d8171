"""The error of this package: one sentence with what was got, what was expected and the fix."""


class TaskError(ValueError):
    """A task, family, data file or setting that cannot be used as it was given."""


class NotDownloadedError(TaskError):
    """A data set is not on this machine, and the hub could not be asked."""


class NoAnswerError(TaskError):
    """A row of a data file that is whole but has no answer: a null, or a proof."""
