"""What Alembic runs for every upgrade: the open connection of `schema_version.upgrade` in, revisions applied to it out.

The connection is in a transaction already, so an upgrade is all or nothing. Logging is left as the program set it.
"""

from alembic import context

from heedful.store import (  # noqa: F401 - their tables join the metadata
    schema_access,
    schema_collection,
    schema_experiments,
    schema_guards,
    schema_modes,
    schema_review,
    schema_runs,
    schema_trust,
    schema_turns,
    schema_uploads,
)
from heedful.store.schema import Base

context.configure(connection=context.config.attributes["connection"], target_metadata=Base.metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
