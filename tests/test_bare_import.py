"""Packages that are hidden from one thread: nobody else notices."""

import subprocess
import sys
import threading

import pytest

from heedful.privacy.identifiers.bare_import import hidden

ASK = """
import sys
from heedful.privacy.identifiers.presidio import is_national_id
assert is_national_id("943 476 5919")
assert not is_national_id("943 476 5918")
assert "presidio_analyzer" in sys.modules
assert not {"torch", "transformers"} & set(sys.modules)
import torch, transformers
assert torch.ones(2).sum() == 2
"""


def test_numbers_are_checked_without_pytorch_and_pytorch_still_loads() -> None:
    done = subprocess.run([sys.executable, "-c", ASK], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_only_this_thread_and_only_inside_the_block_cannot_import() -> None:
    met: list[object] = []

    def elsewhere() -> None:
        try:
            import wsgiref.headers
        except ImportError as error:
            met.append(error)
        else:
            met.append(wsgiref.headers.__name__)

    for name in [name for name in sys.modules if name.startswith("wsgiref")]:
        del sys.modules[name]
    before = list(sys.meta_path)
    with hidden("wsgiref"):
        with pytest.raises(ModuleNotFoundError, match="wsgiref is not wanted here"):
            import wsgiref  # noqa: F401
        other = threading.Thread(target=elsewhere)
        other.start()
        other.join()
    assert met == ["wsgiref.headers"]
    assert sys.meta_path == before
