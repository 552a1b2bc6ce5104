"""Joining: a person who asks the champion in; the variant that serves them out. Who did not agree to kept chats stays outside."""

from sqlalchemy.orm import Session

from heedful.companion.experiments.assignment import variant_of
from heedful.lifecycle.companions import BASE
from heedful.registry.aliases import CHAMPION, current_aliases
from heedful.registry.versions import quarantined_models
from heedful.store.collection import agreed
from heedful.store.consent import newest_decision
from heedful.store.database import Store
from heedful.store.experiments import End, draw_of, end_experiment, purposes_of
from heedful.store.modes import current_mode
from heedful.store.schema_experiments import UPSTREAM, Experiment, ExperimentMember, Variant

ITSELF = "heedful"  # who ends an experiment that no person ended


def overtaken(session: Session, experiment: Experiment) -> End | None:
    """How it must end because its versions are not what they were; None: they are."""
    if {experiment.champion, experiment.challenger} & quarantined_models(session):
        return End("quarantine", ITSELF)
    if experiment.challenger == UPSTREAM and current_mode(session) == "local":
        return End("stopped", ITSELF, "the mode was switched to local")
    serving = current_aliases(session).get(CHAMPION, BASE)
    return End("champion", ITSELF) if serving != experiment.champion else None


def membership(session: Session, experiment: Experiment, name: str) -> tuple[int, ExperimentMember | None] | None:
    """The person and, once they were served in it, their place in the experiment. None: they are outside of it."""
    person = agreed(session, name)
    if person is None or any(newest_decision(session, person.id, purpose) != "granted" for purpose in purposes_of(experiment)):
        return None
    return (person.id, session.get(ExperimentMember, (experiment.id, person.id)))


def join(session: Session, experiment: Experiment, person_id: int) -> Variant:
    """Who was in before has the variant of before, whatever happened in between: the draw is the same."""
    variant = variant_of(draw_of(session, experiment.id, person_id), experiment.share)
    if session.get(ExperimentMember, (experiment.id, person_id)) is None:
        session.add(ExperimentMember(experiment_id=experiment.id, person_id=person_id, variant=variant))
        session.flush()
    return variant


def serving_variant(store: Store, experiment: Experiment, name: str, ready: bool) -> Variant | None:
    """Who serves this person now; None: the champion, outside of the experiment. Nobody joins while the challenger is not `ready`.

    May block.
    """
    with store.snapshot() as session:
        found = membership(session, experiment, name)
        if found is None or (found[1] is None and not ready):
            return None
        if found[1] is not None:
            return "challenger" if found[1].variant == "challenger" else "champion"
    with store.session() as session:
        found = membership(session, experiment, name)
        return None if found is None else join(session, experiment, found[0])


def end_overtaken(session: Session, experiment: Experiment) -> bool:
    end = overtaken(session, experiment)
    if end is not None:
        end_experiment(session, experiment.id, end)
    return end is not None
