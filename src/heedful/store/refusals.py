"""Refusals: what SQLite says, in; one StoreError line with the next command, out."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.exc import DBAPIError

from heedful.errors import StoreError

# Beginning of SQLite's error name -> what to tell, and what helps. https://www.sqlite.org/rescode.html
TOLD = {
    "SQLITE_BUSY": ("is in use by another program", "wait until that program is done, then try again"),
    "SQLITE_NOTADB": ("is not a SQLite database", "move that file away, or restore the database from a backup"),
    "SQLITE_CORRUPT": ("is damaged", "restore it from a backup"),
    "SQLITE_CANTOPEN": ("cannot be opened", "check that its directory exists and that you may write to it"),
    "SQLITE_READONLY": ("cannot be written to", "check the permissions of the file and its directory"),
    "SQLITE_FULL": ("cannot grow, the disk is full", "free some space, then try again"),
}


@contextmanager
def as_store_errors(database: Path) -> Iterator[None]:
    """Turn errors of the database driver into StoreError; everything else passes as it is.

    The text of the driver names tables and columns, never values, so no personal text gets into the message.
    """
    try:
        yield
    except DBAPIError as error:
        name = getattr(error.orig, "sqlite_errorname", "")
        for beginning, (problem, next_step) in TOLD.items():
            if name.startswith(beginning):
                raise StoreError(f"{database} {problem}", next_step) from error
        raise StoreError(f"{database} refused: {error.orig}", "heedful doctor") from error
