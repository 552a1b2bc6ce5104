"""Access: the headers of a request in; who asks, or a refusal with 401, 403 or 429, out.

With keys, every address asks for one, the description of the API included. Without any, the server is open, which `heedful serve`
allows on loopback only: then everybody on this machine is an operator, and the Host header must name this machine, or a web page
could reach the server through a name of its own (DNS rebinding).
"""

import math
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from fastapi import Depends
from fastapi.params import Depends as Dependency
from starlette.requests import Request

from heedful.config import ServerSettings
from heedful.lifecycle.loopback import is_loopback
from heedful.server.errors import ApiError
from heedful.store.api_keys import ROLES, KeyRole, find_key, list_keys
from heedful.store.database import Store

EVERYBODY: frozenset[KeyRole] = frozenset(ROLES)
SLOT_RETRY_S = 1
CHALLENGE = {"WWW-Authenticate": "Bearer"}


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. `key` 0 is whoever sits at this machine, where the server is open. None means no limit."""

    key: int
    role: KeyRole
    requests_per_minute: int | None
    concurrent: int | None


@dataclass(frozen=True, slots=True)
class Allowed:
    """A dependency of a route: who may ask it."""

    roles: frozenset[KeyRole]

    def __call__(self, request: Request) -> None:
        caller = caller_of(request)
        if caller.role not in self.roles:
            needed = " or ".join(sorted(self.roles))
            raise ApiError(403, f"A key of role {caller.role} may not do this; allowed: {needed}.", code="insufficient_role")


def caller_of(request: Request) -> Caller:
    caller: Caller = request.state.caller
    return caller


def actor_of(request: Request) -> str:
    """Who stands in the audit trail for what a request did."""
    caller = caller_of(request)
    return f"key {caller.key}, {caller.role}" if caller.key else "this machine"


def allow(roles: Collection[KeyRole] = EVERYBODY) -> Dependency:
    """Every route declares one; a test walks them."""
    declared: Dependency = Depends(Allowed(frozenset(roles)))
    return declared


@dataclass(slots=True)
class Usage:
    """What one caller has left. `tokens` are requests, refilled with the time (token bucket); a minute's worth may come at once."""

    tokens: float
    refilled: float
    running: int = 0


Find = Callable[[str], Caller | None]


@dataclass(frozen=True, slots=True)
class Access:
    """`find` looks a secret up and may block; None is an open server."""

    find: Find | None = None
    here: Caller = Caller(0, "operator", None, None)
    clock: Callable[[], float] = time.monotonic
    usages: dict[int, Usage] = field(default_factory=dict)

    def admit(self, request: Request) -> Caller:
        """Raises ApiError."""
        if self.find is None:
            check_host(request.headers.get("host", ""))
            return self.here
        scheme, _, secret = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not secret.strip():
            raise ApiError(401, "A key is needed: send Authorization: Bearer hk-...", code="missing_api_key", headers=CHALLENGE)
        found = self.find(secret.strip())
        if found is None:
            raise ApiError(401, "This key is not known, or was revoked.", code="invalid_api_key", headers=CHALLENGE)
        return found

    @contextmanager
    def turn(self, caller: Caller) -> Iterator[None]:
        """Counts one request while the block runs. Raises ApiError when the caller has none left."""
        now = self.clock()
        full = 0.0 if caller.requests_per_minute is None else float(caller.requests_per_minute)
        usage = self.usages.setdefault(caller.key, Usage(full, now))
        if caller.concurrent is not None and usage.running >= caller.concurrent:
            raise too_many(f"{caller.concurrent} requests of this key are running", SLOT_RETRY_S)
        if caller.requests_per_minute is not None:
            spend(usage, caller.requests_per_minute, now)
        usage.running += 1
        try:
            yield
        finally:
            usage.running -= 1


def spend(usage: Usage, per_minute: int, now: float) -> None:
    """Take one token, or raise ApiError with the time until there is one."""
    usage.tokens = min(float(per_minute), usage.tokens + (now - usage.refilled) * per_minute / 60)
    usage.refilled = now
    if usage.tokens < 1:
        raise too_many(f"this key has {per_minute} requests a minute", math.ceil((1 - usage.tokens) * 60 / per_minute))
    usage.tokens -= 1


def too_many(reason: str, seconds: int) -> ApiError:
    headers = {"Retry-After": str(seconds)}
    return ApiError(429, f"Too many requests: {reason}. Ask again in {seconds} s.", code="rate_limit_exceeded", headers=headers)


def check_host(header: str) -> None:
    """Raises ApiError when a request to an open server came by another name than this machine's."""
    before, _, port = header.rpartition(":")
    name = before if port.isdigit() else header
    if not is_loopback(name.strip("[]")):
        raise ApiError(403, "This server has no keys and answers on this machine only.", code="host_not_allowed")


def access_to(store: Store, settings: ServerSettings) -> Access:
    """By the keys of the store, once there is or ever was one; else open. The choice stands until the server ends.

    So revoking the last key locks the server, and does not open it.
    """
    with store.snapshot() as session:
        keyed = bool(list_keys(session, every=True))

    def find(secret: str) -> Caller | None:
        with store.snapshot() as session:
            key = find_key(session, secret)
            if key is None:
                return None
            role = next(role for role in ROLES if role == key.role)
            per_minute = settings.requests_per_minute if key.requests_per_minute is None else key.requests_per_minute
            return Caller(key.id, role, per_minute, settings.concurrent if key.concurrent is None else key.concurrent)

    here = Caller(0, "operator", settings.requests_per_minute, settings.concurrent)
    return Access(find if keyed else None, here)
