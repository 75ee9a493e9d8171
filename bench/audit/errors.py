"""The errors of this package: one sentence each."""


class AuditError(ValueError):
    """A file or an option that no audit can use: what was got, where, and the fix."""


class LacksData(Exception):
    """What a rule raises that cannot say: the data that it lacks, as the end of "lacks ..."."""
