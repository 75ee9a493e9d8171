"""The session that docs/python-api.md shows gives the answers that it shows."""

import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "python-api.md"


def test_the_session_of_the_page(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "doctest", "-o", "ELLIPSIS", str(PAGE)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
