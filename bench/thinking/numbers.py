"""Numbers of a document as it is written."""

from typing import Any


def six_digits(value: Any) -> Any:
    """Return a document whose floats have six significant digits: what was measured holds no more."""
    if isinstance(value, dict):
        return {key: six_digits(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [six_digits(item) for item in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value
