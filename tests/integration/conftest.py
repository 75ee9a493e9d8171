"""What the tests of signals train: a tiny random base, loaded once a module, and runs that start from it."""

from pathlib import Path

import pytest
from launch_fixture import save_tiny_base
from signal_runs import Start, starter

from rlvr_bench.models.base import LoadedBase, load
from rlvr_bench.models.config import BaseConfig


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> LoadedBase:
    """A tiny random base."""
    return load(BaseConfig(name=str(save_tiny_base(tmp_path_factory.mktemp("base") / "tiny"))))


@pytest.fixture
def start(base: LoadedBase, tmp_path: Path) -> Start:
    """Starts a run of a signal from the base."""
    return starter(base, tmp_path)
