"""What can go wrong with a record; each message is one sentence with what was got and the fix."""


class RecordError(Exception):
    """A record cannot be read or written."""


class ResultsInUseError(RecordError):
    """Another process holds the lock of the results folder."""
