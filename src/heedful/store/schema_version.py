"""Version of the schema: a connection in; its revision out, or the packaged revisions applied to it.

Alembic runs from here, without alembic.ini and without touching the program's logging.
"""

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect


def alembic_config(connection: Connection | None = None) -> Config:
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", "heedful.store:migrations")  # as a package resource: no path, so any path works
    return config


def head_revision() -> str:
    """The newest revision that this code knows."""
    head = ScriptDirectory.from_config(alembic_config()).get_current_head()
    assert head is not None, "the package ships at least one revision"
    return head


def known_revisions() -> set[str]:
    return {script.revision for script in ScriptDirectory.from_config(alembic_config()).walk_revisions()}


def current_revision(connection: Connection) -> str | None:
    """Revision of the database; None when no migration ever ran on it."""
    return MigrationContext.configure(connection).get_current_revision()


def is_empty(connection: Connection) -> bool:
    return not inspect(connection).get_table_names()


def upgrade(connection: Connection) -> None:
    """To the head, within the transaction of `connection`: all of it or nothing."""
    command.upgrade(alembic_config(connection), "head")
