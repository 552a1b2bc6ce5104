"""Parquet: a table of columns in; a record a row out, numbered from 1. One batch of rows is in memory at a time."""

from collections.abc import Iterator
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from heedful.errors import Place, SourceError
from heedful.sources.parts import Part
from heedful.sources.rows import BadRow, Record, Records

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetFile

MAGIC = b"PAR1"
BATCH = 500  # rows
ROWS_LOOKED_AT = 20


def table(part: Part) -> Records:
    """Raises SourceError when the file begins like Parquet and is broken."""
    reading = partial(read, part)
    with opened(part) as file:
        names = tuple(file.schema_arrow.names)
    sample = tuple(record.fields for record in islice(reading(), ROWS_LOOKED_AT) if isinstance(record, Record))
    return Records(part.path, "parquet", names, sample, reading, part.digest, part=part)


def read(part: Part) -> Iterator[Record | BadRow]:
    from pyarrow import ArrowException

    with opened(part) as file:
        try:
            rows = (row for batch in file.iter_batches(BATCH) for row in batch.to_pylist())
            yield from (Record(number, row) for number, row in enumerate(rows, 1))
        except (ArrowException, OSError):
            raise damaged(part) from None


def opened(part: Part) -> "ParquetFile":
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    try:
        return ParquetFile(part.open())
    except (ArrowException, OSError):
        raise damaged(part) from None


def damaged(part: Part) -> SourceError:
    return SourceError("is a Parquet table, but damaged", Place(part.path), "is the file complete? fetch it again")
