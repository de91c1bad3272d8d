"""A folder for a system of one's own."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A data folder that the server's own user can reach."""
    made = Path(tempfile.mkdtemp(prefix="omniroute-up-"))
    made.chmod(0o711)
    yield made
    shutil.rmtree(made)
