"""API keys: a name and a role in; a secret that is shown once, and later the key that a secret belongs to, out."""

import hashlib
import secrets
from typing import Literal, get_args

from sqlalchemy import select
from sqlalchemy.orm import Session

from heedful.errors import StoreError
from heedful.store.audit import record
from heedful.store.schema import utc_now
from heedful.store.schema_access import ApiKey

KeyRole = Literal["client", "clinician", "operator"]
ROLES: tuple[KeyRole, ...] = get_args(KeyRole)
PREFIX = "hk-"  # so that a key that leaked can be searched for
SECRET_BYTES = 32


def create_key(
    session: Session, name: str, role: str, actor: str, requests_per_minute: int | None = None, concurrent: int | None = None
) -> tuple[ApiKey, str]:
    """The key, and its secret, which is kept nowhere. Raises StoreError for a name in use and for an unknown role."""
    if role not in ROLES:
        raise StoreError(f"there is no role {role!r}; allowed: {', '.join(ROLES)}", "heedful keys create --help")
    if not name.strip() or name.isdigit():
        raise StoreError(f"{name!r} is no name for a key: letters are needed", "heedful keys create support-app")
    if any(key.name == name for key in list_keys(session)):
        raise StoreError(f"a key {name!r} is there already", f"heedful keys revoke {name}, or take another name")
    secret = PREFIX + secrets.token_urlsafe(SECRET_BYTES)
    made = ApiKey(
        name=name,
        role=role,
        digest=digest_of(secret),
        requests_per_minute=requests_per_minute,
        concurrent=concurrent,
        created_by=actor,
    )
    session.add(made)
    session.flush()
    record(session, actor, "key.created", f"key {made.id}", {"role": role})
    return made, secret


def digest_of(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


def find_key(session: Session, secret: str) -> ApiKey | None:
    """The key of this secret, unless it was revoked."""
    return session.scalars(select(ApiKey).where(ApiKey.digest == digest_of(secret), ApiKey.revoked_at.is_(None))).first()


def list_keys(session: Session, every: bool = False) -> list[ApiKey]:
    """Those that open the server; or all that ever did."""
    query = select(ApiKey).order_by(ApiKey.id)
    return list(session.scalars(query if every else query.where(ApiKey.revoked_at.is_(None))))


def revoke_key(session: Session, which: str, actor: str) -> ApiKey:
    """By name or number. From its next request on the holder is refused. Raises StoreError when there is none."""
    found = next((key for key in list_keys(session) if which in (key.name, str(key.id))), None)
    if found is None:
        raise StoreError(f"there is no key {which!r} that is still good", "heedful keys list")
    found.revoked_at = utc_now()
    record(session, actor, "key.revoked", f"key {found.id}", {"role": found.role})
    return found
