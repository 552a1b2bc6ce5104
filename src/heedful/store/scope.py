"""Scope: files or nothing, in; a condition on conversations out: which of them are looked at.

What was uploaded for a fine-tuning job serves the jobs on that file, and no dataset of all.
"""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, select, true

from heedful.store.schema import ConversationRow, Import
from heedful.store.schema_uploads import UploadRow

UPLOADED = "upload"  # format of the imports that hold what was uploaded


def everything() -> ColumnElement[bool]:
    return true()


def not_uploaded() -> ColumnElement[bool]:
    return ConversationRow.import_id.not_in(select(Import.id).where(Import.format == UPLOADED))


def uploaded(files: Sequence[str]) -> ColumnElement[bool]:
    """Conversations of these files."""
    return ConversationRow.id.in_(select(UploadRow.conversation_id).where(UploadRow.file_id.in_(files)))
