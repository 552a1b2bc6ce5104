"""Quarantine: the models that learned from an erased person in; events, and aliases that point to clean versions, out.

All of it is one transaction, so there is no moment in which a quarantined model is the champion. What takes the champion's place
has to be proven: its nearest clean ancestor that passed the gate, else the clean version that was promoted last. A version that
failed its gate never serves people. Where there is none, the alias points nowhere, and the base alone answers for it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from heedful.errors import HeedfulError
from heedful.registry.aliases import CHAMPION, FINE_TUNED, current_aliases, point
from heedful.registry.lineage import generations, parents_of
from heedful.registry.promotion import newest_evaluation
from heedful.registry.versions import Version, list_versions, quarantined_models, verified_directory
from heedful.store.audit import record
from heedful.store.schema import AliasEvent
from heedful.store.schema_trust import QuarantineEvent
from heedful.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Moved:
    """An alias that pointed to a quarantined model. `after` is None when it points nowhere now."""

    alias: str
    before: str
    after: str | None


def quarantine(session: Session, workspace: Workspace, models: Iterable[str], erasure_id: int, actor: str) -> list[Moved]:
    """Append an event for each model that has none yet, and move every alias away from all of them."""
    fresh = [QuarantineEvent(model_id=model, erasure_id=erasure_id) for model in sorted(set(models) - quarantined_models(session))]
    for event in fresh:
        session.add(event)
        session.flush()
        record(session, actor, "quarantine", event.model_id, {"erasure": erasure_id}, [event])
    return move_aliases(session, workspace, erasure_id, actor)


def move_aliases(session: Session, workspace: Workspace, erasure_id: int, actor: str) -> list[Moved]:
    quarantined = quarantined_models(session)
    pointing = {alias: model for alias, model in current_aliases(session).items() if model in quarantined}
    moved = []
    for alias, model in sorted(pointing.items()):
        after = successor(session, workspace, model) if alias == CHAMPION else None
        point(session, alias, after, actor, f"{model} is quarantined by erasure {erasure_id}")
        moved.append(Moved(alias, model, after))
    champion = current_aliases(session).get(CHAMPION)
    for alias, model in current_aliases(session).items():
        if (
            alias != CHAMPION
            and not alias.startswith(FINE_TUNED)
            and model == champion
            and any(change.alias == CHAMPION for change in moved)
        ):
            point(session, alias, None, actor, f"{model} took the champion's place")
            moved.append(Moved(alias, model, None))
    return moved


def successor(session: Session, workspace: Workspace, champion: str) -> str | None:
    """The clean, proven and whole version that takes a champion's place, or None."""
    versions = {version.id: version for version in list_versions(session)}
    for model in candidates(session, champion):
        if is_usable(workspace, versions[model]):
            return model
    return None


def candidates(session: Session, champion: str) -> Iterator[str]:
    """Proven ancestors, nearest first; then what was champion before, newest first."""
    promoted = promoted_models(session)
    for model in generations(champion, parents_of(session)):
        if model in promoted or passed_last(session, model):
            yield model
    yield from promoted


def promoted_models(session: Session) -> Sequence[str]:
    """Every version that was ever champion, the newest first."""
    query = (
        select(AliasEvent.to_model)
        .where(AliasEvent.alias == CHAMPION, AliasEvent.to_model.is_not(None))
        .order_by(AliasEvent.id.desc())
    )
    return [model for model in dict.fromkeys(session.scalars(query)) if model is not None]


def passed_last(session: Session, model: str) -> bool:
    evaluation = newest_evaluation(session, model)
    return evaluation is not None and bool(evaluation.get("passed"))


def is_usable(workspace: Workspace, version: Version) -> bool:
    """Clean, and its files are those that were registered."""
    try:
        verified_directory(workspace, version)
    except HeedfulError:
        return False
    return True


def never_pruned(session: Session) -> set[str]:
    """Versions whose files must stay, because an erasure may need one of them at once: all that were champion, and are clean."""
    return set(promoted_models(session)) - quarantined_models(session)
