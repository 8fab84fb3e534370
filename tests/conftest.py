"""Fixtures that several test rooms use."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

# The first call of a kernel loads or compiles it: that is no reason to fail an example.
# A gate must give the same answer twice, so CI draws the same examples each time; ARCHSIM_EXAMPLES=1000 looks further.
settings.register_profile("archsim", deadline=None, max_examples=int(os.environ.get("ARCHSIM_EXAMPLES", "60")),
                          derandomize=bool(os.environ.get("CI")))
settings.load_profile("archsim")


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of reference material that does not belong to the project; tests skip where it is absent."""
    folder = Path(os.environ.get("ARCHSIM_SHARED", Path(__file__).parents[2] / "shared"))
    if not folder.is_dir():
        pytest.skip(f"reference material not present at {folder}")
    return folder
