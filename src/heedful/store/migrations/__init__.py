"""Alembic's script folder, shipped with the package. `heedful.store.schema_version` runs it; there is no alembic.ini."""
