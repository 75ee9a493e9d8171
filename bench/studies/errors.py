"""What can be wrong with a claim's file, and what is not an error: nothing measured yet."""


class FindingsError(Exception):
    """The claims cannot be judged as they are written: one sentence with what, where and the fix."""


class NoEvidence(Exception):
    """There are no records, or too few, to judge a claim on: the message says which."""
