"""Start: which version against the champion, and how, in; a running experiment out, or the reason why not."""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from heedful.config import GateSettings, Mode
from heedful.errors import ExperimentError
from heedful.evaluation.evidence import WITHDRAWN
from heedful.lifecycle.companions import BASE
from heedful.lifecycle.experiments.outcomes import OUTCOMES, PREFERENCE
from heedful.registry.aliases import CHAMPION, current_aliases, fell_to_base
from heedful.registry.override import check_operator
from heedful.registry.promotion import Proof, proof_of
from heedful.registry.versions import Version, find_version, verified_directory
from heedful.store.database import Store
from heedful.store.experiments import begin_experiment
from heedful.store.instruments import RANGES, spell
from heedful.store.schema_experiments import UPSTREAM, Experiment
from heedful.workspace import Workspace

HELP = "heedful experiment start --help"
AGAIN = "heedful experiment start upstream"


@dataclass(frozen=True, slots=True)
class Wanted:
    """As the flags of `heedful experiment start`. `reason`: why the gate is overridden; None: it is not."""

    challenger: str
    share: float = 0.5
    outcome: str = "thumbs"
    instrument: str = ""
    window_hours: float = 168.0
    margin: float = 1.0
    shadow: bool = False
    reason: str | None = None


def start(
    store: Store, workspace: Workspace, gate: GateSettings, wanted: Wanted, actor: str, mode: Mode | None = None
) -> Experiment:
    """`mode` holds now, where an upstream is configured; None: none is.

    Raises ExperimentError, RegistryError or StoreError: what was asked for cannot be, or another one runs.
    """
    check_numbers(wanted)
    instrument = check_outcome(wanted)
    with store.session() as session:
        champion = champion_of(session)
        if wanted.challenger == UPSTREAM:
            challenger, report = check_upstream(gate, wanted, actor, mode), None
        else:
            version = find_version(session, wanted.challenger)
            if version.id == champion:
                raise ExperimentError(f"{champion} is the champion; an experiment needs another version", "heedful models")
            verified_directory(workspace, version)
            challenger, report = version.id, check_gate(session, workspace, gate, version, wanted.reason, actor).report
        asked = Experiment(
            champion=champion,
            challenger=challenger,
            share=wanted.share,
            shadow=wanted.shadow,
            outcome=PREFERENCE if wanted.shadow else wanted.outcome,
            instrument=instrument,
            window_hours=wanted.window_hours,
            margin=wanted.margin,
            report_id=report,
            reason="" if wanted.reason is None else wanted.reason,
            actor=actor,
        )
        return begin_experiment(session, asked)


def check_numbers(wanted: Wanted) -> None:
    if not 0 < wanted.share < 1:
        raise ExperimentError(f"the challenger's share is {wanted.share:g}; allowed: above 0 and below 1, such as 0.5", HELP)
    if not 1 <= wanted.margin <= 10:
        raise ExperimentError(f"the margin of harm is {wanted.margin:g}; allowed: 1 (no more often) to 10 times as often", HELP)
    if not 0 <= wanted.window_hours <= 8_760:
        raise ExperimentError(f"the time of a person is {wanted.window_hours:g} hours; allowed: 0 to 8760", HELP)


def check_outcome(wanted: Wanted) -> str:
    """The instrument as it is spelled, or nothing."""
    if wanted.outcome not in OUTCOMES:
        raise ExperimentError(f"{wanted.outcome!r} is no outcome; allowed: {', '.join(OUTCOMES)}", HELP)
    if wanted.window_hours == 0 and OUTCOMES[wanted.outcome].absence:
        raise ExperimentError(f"that nothing came is known only after a time: {wanted.outcome} needs hours", HELP)
    if (wanted.outcome == "assessment") != bool(wanted.instrument):
        raise ExperimentError("--outcome assessment and --instrument NAME belong together", HELP)
    if not wanted.instrument:
        return ""
    instrument = spell(wanted.instrument)
    if instrument not in RANGES:
        raise ExperimentError(f"whether more of {instrument!r} is better is not known; allowed: {', '.join(RANGES)}", HELP)
    return instrument


def champion_of(session: Session) -> str:
    champion = current_aliases(session).get(CHAMPION)
    if champion is not None:
        return champion
    if fell_to_base(session):
        return BASE
    raise ExperimentError("there is no champion to compare with", "heedful promote MODEL")


def check_upstream(gate: GateSettings, wanted: Wanted, actor: str, mode: Mode | None) -> str:
    """No gate has proven what others serve, so an operator must answer for it; and no word leaves unseen, or against the mode."""
    if wanted.shadow:
        raise ExperimentError("the upstream is asked for nobody's sake in shadow mode; words of people stay here", HELP)
    if mode is None or mode == "local":
        raise ExperimentError("the upstream may not be asked now", "set upstream.url, then heedful mode hybrid")
    if wanted.reason is None:
        raise ExperimentError(
            "no gate has proven the upstream; an operator has to answer for it", f"{AGAIN} --override --reason 'why'"
        )
    check_reason(gate, wanted.reason, actor)
    return UPSTREAM


def check_reason(gate: GateSettings, reason: str, actor: str) -> None:
    check_operator(gate, actor)
    if not reason.strip():
        raise ExperimentError("an override needs a reason", HELP)


def check_gate(
    session: Session, workspace: Workspace, gate: GateSettings, version: Version, reason: str | None, actor: str
) -> Proof:
    """Raises ExperimentError when the gate refuses the version and nobody answers for it; a withdrawal is nobody's to override."""
    proof = proof_of(session, workspace, gate, version)
    if not proof.refused_by:
        if reason is not None:
            raise ExperimentError(f"the gate does not refuse {version.id}, so there is nothing to override", HELP)
        return proof
    if reason is None or WITHDRAWN.name in proof.refused_by:
        raise ExperimentError(f"the gate refuses {version.id}, so it serves nobody; {proof.problem}", proof.next_step)
    check_reason(gate, reason, actor)
    return proof
