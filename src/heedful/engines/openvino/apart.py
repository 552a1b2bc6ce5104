"""Apart: a model that is to be built in; the folder that `built_model` makes, built in a process behind everything else, out.

For a server that answers people meanwhile: a build merges weights, writes them and proves them with transformers, and in the
server's own process every token of every stream would wait for that.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

from heedful.engines.openvino.build import built_model
from heedful.modeling.rounding import Weights

COMMAND = (sys.executable, "-P", "-m", "heedful.engines.openvino.apart")  # -P: nothing of the directory one stands in is imported
NICENESS = 10


def build_apart(base: str, adapter: Path | None, name: str, shelf: Path, weights: Weights) -> bool:
    """Whether it could be built. What the process says is thrown away."""
    where = {"adapter": None if adapter is None else str(adapter), "shelf": str(shelf)}
    given = json.dumps({"base": base, "name": name, "weights": weights, **where})
    quiet = subprocess.DEVNULL
    return subprocess.run(COMMAND, input=given, text=True, stdout=quiet, stderr=quiet, check=False).returncode == 0


def main() -> None:
    given = json.load(sys.stdin)
    os.nice(NICENESS)
    adapter = given["adapter"]
    built_model(given["base"], None if adapter is None else Path(adapter), given["name"], Path(given["shelf"]), given["weights"])


if __name__ == "__main__":
    main()
