"""Modes: the configuration and the store in; where turns may be answered now, a switch of it, and who served them, out."""

import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from importlib import import_module
from typing import Any

from heedful.companion.breaker import Breaker
from heedful.companion.hybrid import Hybrid, Terms
from heedful.config import Mode, Settings
from heedful.conversation import Message
from heedful.engines.openai_compatible import OpenAICompatibleEngine, Upstream
from heedful.errors import ConfigError
from heedful.privacy.disguise import disguise
from heedful.store.consent import newest_decision
from heedful.store.database import Store
from heedful.store.modes import current_mode, switch_mode
from heedful.store.persons import find_person
from heedful.store.schema import utc_now
from heedful.store.schema_experiments import UPSTREAM
from heedful.store.traces import Share, shares


@dataclass(frozen=True, slots=True)
class Usage:
    """The mode now, and who served the turns of the last `days`."""

    mode: Mode
    days: float
    shares: tuple[Share, ...]

    def as_result(self) -> dict[str, Any]:
        return {"mode": self.mode, "days": self.days, "served": [asdict(one) for one in self.shares]}


def mode_now(store: Store, settings: Settings) -> Mode:
    with store.snapshot() as session:
        found = current_mode(session)
    return settings.mode if found is None else found


def switch(store: Store, settings: Settings, mode: Mode, actor: str) -> None:
    """Reaches a running server with its next turn. Raises ConfigError where there is no upstream to switch to."""
    check_mode(settings, mode)
    with store.session() as session:
        switch_mode(session, mode, actor)


def check_mode(settings: Settings, mode: Mode) -> None:
    """Raises ConfigError when the mode needs what is not configured."""
    if mode == "local":
        return
    if settings.upstream.url is None:
        raise ConfigError(f"mode {mode} needs an upstream, and upstream.url is not set", "set upstream.url in heedful.yaml")
    if settings.serving.engine == "upstream":
        raise ConfigError(f"mode {mode} needs a local model beside the upstream", "set serving.engine: auto in heedful.yaml")
    if not settings.guards.crisis:
        raise ConfigError(f"mode {mode} needs the crisis guard, for no crisis may leave the machine", "set guards.crisis: true")


def usage(store: Store, settings: Settings, days: float) -> Usage:
    with store.snapshot() as session:
        found = shares(session, utc_now() - timedelta(days=days))
    return Usage(mode_now(store, settings), days, tuple(found))


def hybrid_of(store: Store, settings: Settings) -> Hybrid | None:
    """For all companions of one process. None where no upstream is configured beside the local model: all is local then.

    It loads what the first disguise and the first request need, or they would take a second of the budget.

    Raises ConfigError for a mode that cannot be.
    """
    check_mode(settings, mode_now(store, settings))
    upstream = settings.upstream
    if upstream.url is None or settings.serving.engine == "upstream":
        return None
    import_module("httpx")
    disguise([Message("user", "Hello, I am Ada.")], seed=0)
    key, name = os.environ.get(upstream.key), UPSTREAM if upstream.model is None else upstream.model
    asked = Upstream(upstream.url, name, key if key else None, upstream.fields, upstream.timeout_s, upstream.retries)
    return Hybrid(
        OpenAICompatibleEngine(name, asked),
        terms_of(store, settings),
        Breaker(upstream.failures, upstream.pause_s),
        upstream.budget_s,
        (upstream.price_read, upstream.price_written),
        settings.routing.complex_words,
        settings.routing.complex_questions,
    )


def hosted(hybrid: Hybrid) -> Hybrid:
    """The same, asked for every turn that may leave; where the mode is local, for none."""

    def terms(subject: str) -> Terms:
        now = hybrid.terms(subject)
        return now if now.mode == "local" else replace(now, mode="hosted")

    return replace(hybrid, terms=terms)


def terms_of(store: Store, settings: Settings) -> Callable[[str], Terms]:
    """Read anew at each turn, so that a switch, and a person's word, count from the next one on. Who is unknown allowed nothing."""

    def terms(subject: str) -> Terms:
        with store.snapshot() as session:
            switched = current_mode(session)
            mode = settings.mode if switched is None else switched
            person = None if mode == "local" or not subject else find_person(session, subject)
            granted = person is not None and not person.erased and newest_decision(session, person.id, "upstream") == "granted"
        return Terms(mode, granted)

    return terms
