"""The error of this package: one sentence with what was got, what was expected and the fix."""


class ModelError(ValueError):
    """A base model, recipe or checkpoint that cannot be used as it was given."""


class NotDownloadedError(ModelError):
    """A hub model is not on this machine, and nobody asked to fetch it or it could not be."""
