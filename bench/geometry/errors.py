"""The error of this package: one sentence with what was got, what was expected and the fix."""


class GeometryError(ValueError):
    """Settings or checkpoints that no figure is defined for."""
