"""Modes: a switch in; the mode that holds now, out."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from heedful.config import Mode
from heedful.store.audit import record
from heedful.store.schema_modes import ModeEvent

MODES: tuple[Mode, ...] = ("hosted", "hybrid", "local")


def current_mode(session: Session) -> Mode | None:
    """None where nobody ever switched: then the configuration holds."""
    found = session.scalars(select(ModeEvent.mode).order_by(ModeEvent.id.desc()).limit(1)).first()
    return next((mode for mode in MODES if mode == found), None)


def switch_mode(session: Session, mode: Mode, actor: str) -> None:
    session.add(ModeEvent(mode=mode, actor=actor[:64]))
    record(session, actor, "mode.switched", "serving", {"mode": mode})
