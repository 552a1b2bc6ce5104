"""Round: which lines of a dataset one training learns on top of which version; as a file beside the plan, and back.

Lines that are new are read in every epoch. Lines that earlier rounds learned already are replayed once each, spread over the whole
training: for the same number of tokens, more different ones keep more of what was learned.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from heedful.errors import TrainingError
from heedful.modeling.adapters import ADAPTER_FILES
from heedful.workspace import write_text

ROUND_FILE = "round.json"


@dataclass(frozen=True, slots=True)
class Round:
    """`below` is the directory of the version that stays as it is. Lines are those of the dataset's train.jsonl, from 0."""

    below: Path
    new: tuple[int, ...]
    replay: tuple[int, ...] = ()

    @property
    def lines(self) -> tuple[int, ...]:
        return (*self.new, *self.replay)

    @property
    def rank_below(self) -> int:
        """Ranks of the whole stack below. Raises TrainingError when its configuration cannot be read."""
        path = self.below / ADAPTER_FILES[0]
        try:
            return int(json.loads(path.read_text(encoding="utf-8"))["r"])
        except (OSError, ValueError, KeyError) as error:
            raise TrainingError(f"{path} cannot be read: {error}", "heedful models shows the versions") from None


def to_json(one: Round) -> str:
    """The version below stands in it by its name."""
    return json.dumps({"below": one.below.name, "new": one.new, "replay": one.replay}) + "\n"


def write_round(one: Round, folder: Path) -> None:
    write_text(folder / ROUND_FILE, to_json(one))


def read_round(folder: Path, models: Path) -> Round | None:
    """The round of the training in `folder`; None for one from the base. `models` is where versions lie."""
    path = folder / ROUND_FILE
    if not path.exists():
        return None
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        return Round(models / stored["below"], tuple(stored["new"]), tuple(stored["replay"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TrainingError(f"{path} is no round: {error}", "begin anew: heedful train") from None
