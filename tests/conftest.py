"""Shared fixtures: a fresh workspace, the bundled base, and the real data beside the repository."""

import os
from pathlib import Path

import pytest

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ["HEEDFUL_GATE__SUITES"] = "[]"  # written prompts are asked by the tests about them; all others have held-out ones only
os.environ["HEEDFUL_GATE__SLACK"] = "0.25"  # and of these a dozen, which is too few for the packs' own
if "PYTEST_XDIST_WORKER" in os.environ:  # tests side by side: one thread each, for OpenMP's threads wait for one another busily
    os.environ.setdefault("OMP_NUM_THREADS", "1")

from heedful.workspace import Workspace, create_workspace

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return create_workspace(tmp_path / "workspace", "base: tiny\n")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    folder = REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the folder shared/data is not beside the repository")
    return folder


@pytest.fixture(scope="session")
def tiny_checkpoint() -> Path:
    return REPOSITORY / "src" / "heedful" / "assets" / "tiny"
