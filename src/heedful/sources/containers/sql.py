"""SQL: a query on any database that SQLAlchemy knows, in; a record a row out, fetched in batches while it is read.

The database is only read: statements other than queries are refused, the transaction is read-only where the database has such, and
it is rolled back at the end. The name under which rows are stored is the database without user, password and options.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, make_url
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, NoSuchModuleError, SQLAlchemyError

from heedful.errors import Place, SourceError
from heedful.sources.containers.passing import passing_records
from heedful.sources.rows import Fields, Records

BATCH = 500  # rows
QUERY = re.compile(r"\s*(?:--[^\n]*\n\s*|/\*.*?\*/\s*)*\(*\s*(?:select|with|values|table)\b", re.IGNORECASE | re.DOTALL)
EXAMPLE = "heedful import --sql 'SELECT question, answer FROM chats' --url sqlite:///chat.db"
DRIVERS = {"psycopg": "pip install 'heedful[postgres]'"}


@dataclass(frozen=True, slots=True)
class Query:
    """A statement and where it runs. The URL may hold a password: it is in no message, and never stored."""

    statement: str
    url: str = field(repr=False)


def rows_of_query(query: Query) -> Records:
    """Raises SourceError for a URL, a driver, a database or a statement that does not work."""
    url = read_url(query.url)
    path = Path(public_name(url))
    if not QUERY.match(query.statement):
        raise SourceError("only a query that reads can be imported, such as SELECT", Place(path), EXAMPLE)
    if url.get_backend_name() == "sqlite" and not is_there(url):
        raise SourceError("there is no such database", Place(path), "check the path; sqlite:////home/me/chat.db is a whole one")
    engine = connect(url, path)
    return passing_records(path, "sql", (), partial(fetch, engine, query.statement, path))


def read_url(text: str) -> URL:
    try:
        return make_url(text)
    except (ArgumentError, ValueError):
        raise SourceError("is no database URL", Place(Path("--url")), EXAMPLE) from None


def public_name(url: URL) -> str:
    """For instance postgresql:host/chats; nothing that opens a door."""
    host = f"{url.host}{f':{url.port}' if url.port else ''}/" if url.host else ""
    return f"{url.get_backend_name()}:{host}{url.database if url.database else ''}"


def is_there(url: URL) -> bool:
    """SQLite would make a missing file."""
    return url.database is not None and url.database != ":memory:" and Path(url.database).is_file()


def connect(url: URL, path: Path) -> Engine:
    try:
        engine = create_engine(url, poolclass=NullPool, hide_parameters=True)
    except ModuleNotFoundError as error:
        fix = DRIVERS.get(
            str(error.name), f"pip install the driver of {url.get_backend_name()}, or name another: dialect+driver://"
        )
        raise SourceError(f"needs the package {error.name}, which is not installed", Place(path), fix) from None
    except (NoSuchModuleError, ArgumentError, TypeError):
        raise SourceError(f"{url.drivername} is no database that is known here", Place(path), EXAMPLE) from None
    return engine


def fetch(engine: Engine, statement: str, path: Path) -> Iterator[Fields]:
    """Rows, while the transaction is open. Faults of the query are told in the database's words, faults in the data are not: their
    words may quote it."""
    started = False
    try:
        with reading(engine) as connection:
            options = {"stream_results": True, "yield_per": BATCH, "no_parameters": True}
            for row in connection.exec_driver_sql(statement, execution_options=options).mappings():
                started = True
                yield dict(row)
    except DBAPIError as error:
        words = "" if started or isinstance(error, DataError) else f": {first_line(str(error.orig), engine.url)}"
        raise SourceError(
            f"the database refused{words}", Place(path), "mend the query, the URL or the rights of the user"
        ) from None
    except SQLAlchemyError as error:
        raise SourceError(f"the query failed ({type(error).__name__})", Place(path), EXAMPLE) from None


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A transaction that cannot write, as far as the database has such, and is never committed."""
    options = {"postgresql_readonly": True} if engine.dialect.name == "postgresql" else {}
    with engine.connect().execution_options(**options) as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA query_only = ON")
        yield connection
        connection.rollback()


def first_line(text: str, url: URL) -> str:
    password = str(url.password) if url.password else ""
    line = text.strip().partition("\n")[0]
    return line.replace(password, "***") if password else line
