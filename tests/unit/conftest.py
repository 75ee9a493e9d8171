"""What all tests share: no deadline for property tests, because others use the machine, and no width of a terminal."""

import pytest
from hypothesis import settings

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture(autouse=True)
def no_stated_width(monkeypatch: pytest.MonkeyPatch) -> None:
    """Test runners state one to their workers."""
    monkeypatch.delenv("COLUMNS", raising=False)
