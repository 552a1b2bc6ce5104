"""OpenVINO without its usage pings: nothing in; the module out, unable to send anything.

OpenVINO's converter reports to its vendor unless the package `openvino_telemetry` cannot be imported (its own fall-back is a stub).
Nothing leaves the machine unless the configuration says so, so it is made unimportable for this process.
"""

import sys
from typing import Any


def import_openvino() -> Any:
    """The one way in which Heedful imports OpenVINO."""
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # the import system's own mark for "not there"
    import openvino

    return openvino
