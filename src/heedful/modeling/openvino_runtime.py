"""OpenVINO without its usage pings: nothing in; the module, unable to send anything, and the one core of this process out.

OpenVINO's converter reports to its vendor unless the package `openvino_telemetry` cannot be imported (its own fall-back is a stub).
Nothing leaves the machine unless the configuration says so, so it is made unimportable for this process.
"""

import sys
from functools import cache
from typing import Any


def import_openvino() -> Any:
    """The one way in which Heedful imports OpenVINO."""
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # the import system's own mark for "not there"
    import openvino

    return openvino


@cache
def openvino_core() -> Any:
    """One for all models, kept until the process ends.

    A core gives the thread that makes it another stack for signals and takes it back when it goes. Of two that go in the order
    they came, or in another thread, the second leaves a stack that is unmapped: the next SIGTERM ends the process by SIGSEGV.
    """
    return import_openvino().Core()
