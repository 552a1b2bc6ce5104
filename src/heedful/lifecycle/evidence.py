"""Evidence: a version, its base and their loaded networks in; what the gate wants to know beside replies, measured, out."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy.orm import Session

from heedful.config import Settings
from heedful.conversation import Conversation
from heedful.dataset import load_split
from heedful.dataset.canaries import read_canaries, system_prompt_of
from heedful.dataset.rows import with_system_prompt
from heedful.evaluation.evidence import Champion, Evidence
from heedful.evaluation.other_chat import unseen_exchanges
from heedful.evaluation.privacy.canaries import Exposure, expose
from heedful.lifecycle.companions import Target, load_network, target_of
from heedful.lifecycle.matrix import BATCH_TOKENS
from heedful.modeling.bases import context_length, load_tokenizer
from heedful.modeling.chat_template import Sample
from heedful.modeling.likelihood import Nll, negative_log_likelihood
from heedful.modeling.trimming import trim
from heedful.registry.aliases import CHAMPION, current_aliases
from heedful.registry.lineage import withdrawn
from heedful.registry.versions import Version, find_version
from heedful.workspace import Workspace

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    Networks = tuple[PreTrainedModel, PreTrainedModel]


@dataclass(frozen=True, slots=True)
class Standing:
    """What the store knows of a version: (withdrawn, learned from), and the champion it would replace."""

    withdrawn: tuple[int, int]
    champion: Version | None


def standing_of(session: Session, version: Version) -> Standing:
    """A champion on another base, or one that may not be used any more, is not compared."""
    name = current_aliases(session).get(CHAMPION)
    champion = None if name is None or name == version.id else find_version(session, name)
    comparable = champion is not None and champion.base == version.base and not champion.quarantined
    return Standing(withdrawn(session, version.id), champion if comparable else None)


def gather(
    standing: Standing, folder: Path, tuned: Target, networks: "Networks", champion: Target | None, settings: Settings
) -> Evidence:
    """`networks` are the version's and its base's. A champion is measured on the tokens that the candidate was measured on."""
    ordinary = unseen_exchanges(load_split(folder, "train"))
    first, second = (score(network, tuned, with_prompt(ordinary, tuned.system_prompt)) for network in networks)
    exposed = [expose_planted(network, tuned, folder) for network in networks]
    served = None
    if champion is not None:
        served = Champion(champion.name, score(load_network(champion, settings), tuned, load_split(folder, "test")))
    return Evidence((first, second), standing.withdrawn, (exposed[0], exposed[1]) if exposed[0] else None, served)


def expose_planted(network: "PreTrainedModel", target: Target, folder: Path) -> tuple[Exposure, ...]:
    canaries = read_canaries(folder)
    if not canaries:
        return ()
    prompt = system_prompt_of(folder)
    return expose(canaries, lambda rows: [nats for nats, _ in score(network, target, with_prompt(rows, prompt)).per_sample])


def champion_of(workspace: Workspace, standing: Standing, tuned: Target) -> Target | None:
    """Who serves now, on the candidate's base; None where nobody comparable does."""
    return None if standing.champion is None else replace(target_of(workspace, standing.champion), base=tuned.base)


def with_prompt(rows: list[Conversation], prompt: str) -> list[Conversation]:
    return [with_system_prompt(row, prompt) for row in rows]


def score(network: "PreTrainedModel", target: Target, rows: list[Conversation]) -> Nll:
    return negative_log_likelihood(network, samples_of(target, rows), BATCH_TOKENS)


def samples_of(target: Target, rows: list[Conversation]) -> list[Sample]:
    """As training would see them; what does not fit the context, or teaches nothing, is left out."""
    tokenizer, limit = load_tokenizer(target.base), context_length(target.base)
    trimmed = (trim(tokenizer, row, limit).sample for row in rows)
    return [sample for sample in trimmed if sample is not None]
