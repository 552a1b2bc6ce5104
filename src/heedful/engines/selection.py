"""Selection: the setting `serving.engine` and a base in; which engine answers, and why, out. Nothing is loaded."""

from dataclasses import dataclass
from typing import Literal

from heedful.errors import EngineError
from heedful.modeling.bases import load_config
from heedful.modeling.devices import available
from heedful.modeling.openvino_graph import why_no_graph

EngineName = Literal["openvino", "transformers", "upstream"]


Setting = Literal["auto", "openvino", "transformers", "upstream"]
LocalSetting = Literal["auto", "openvino", "transformers"]


@dataclass(frozen=True, slots=True)
class Choice:
    """`why` is one clause for `heedful doctor`."""

    name: EngineName
    why: str


def choose_engine(setting: Setting, base: str, device: str) -> Choice:
    """`device` as in the settings. Raises EngineError when openvino is named and cannot be, ModelError for an unknown base."""
    if setting in ("transformers", "upstream"):
        return Choice(setting, "set by you")
    reason = why_not_openvino(base, device)
    if reason is None:
        return Choice("openvino", "set by you" if setting == "openvino" else "the quickest on a CPU, and it knows this base")
    if setting == "openvino":
        raise EngineError(f"serving.engine is openvino, but {reason}", "set serving.engine: auto")
    return Choice("transformers", reason)


def why_not_openvino(base: str, device: str) -> str | None:
    found = available()[0] if device == "auto" else device
    if found != "cpu":
        return f"models are computed on {found}, and openvino is for the CPU"
    return why_no_graph(load_config(base))
