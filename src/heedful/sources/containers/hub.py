"""A data set of a hub, by name, in; records of its splits, streamed through the `datasets` library, out.

`hf:owner/name`, or `hf:owner/name:configuration`, either with `@revision`. A directory of that name under the current one is taken
instead of the hub: a local copy needs no network.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from heedful.errors import Place, SourceError
from heedful.sources.containers.passing import passing_records
from heedful.sources.rows import Fields, Records

if TYPE_CHECKING:
    from datasets import IterableDataset, IterableDatasetDict

PREFIX = "hf:"
NAME = re.compile(r"hf:(?P<name>[^:@]+)(?::(?P<configuration>[^@]+))?(?:@(?P<revision>.+))?")


@dataclass(frozen=True, slots=True)
class HubSet:
    name: str
    configuration: str | None = None
    revision: str | None = None

    @property
    def path(self) -> Path:
        """What messages and the store call it."""
        extra = (f":{self.configuration}" if self.configuration else "") + (f"@{self.revision}" if self.revision else "")
        return Path(f"{PREFIX}{self.name}{extra}")


def parse_hub(text: str) -> HubSet:
    found = NAME.fullmatch(text)
    if found is None:
        raise SourceError("names no data set of a hub", Place(Path(text)), "heedful import hf:owner/name")
    return HubSet(**found.groupdict())


def splits(hub: HubSet) -> Iterator[Records]:
    """One source for each split. Raises SourceError when the set cannot be fetched, or has several configurations."""
    for name, rows in load(hub).items():
        columns = tuple(rows.column_names) if rows.column_names else ()
        yield passing_records(hub.path / str(name), "hub", columns, partial(told, hub, rows))


def load(hub: HubSet) -> "IterableDatasetDict":
    import datasets

    datasets.disable_progress_bars()
    datasets.logging.set_verbosity_error()
    try:
        found: IterableDatasetDict = datasets.load_dataset(hub.name, hub.configuration, revision=hub.revision, streaming=True)
    except datasets.exceptions.DatasetNotFoundError:
        raise SourceError(
            "is not on the hub, or is private", Place(hub.path), "check the name; hf auth login opens your own"
        ) from None
    except ConnectionError:
        raise SourceError("cannot be fetched: there is no network, or it is switched off", Place(hub.path), fetch_it(hub)) from None
    except ValueError:
        raise ambiguous(hub) from None
    except (datasets.exceptions.DatasetsError, OSError) as error:
        raise SourceError(f"cannot be read ({type(error).__name__})", Place(hub.path), fetch_it(hub)) from None
    return found


def ambiguous(hub: HubSet) -> SourceError:
    """Why the library does not know which part of a set is meant."""
    import datasets

    names = datasets.get_dataset_config_names(hub.name, revision=hub.revision)
    one = f"heedful import {PREFIX}{hub.name}:{names[0]}"
    return SourceError(f"has the configurations {', '.join(names)}; name one of them", Place(hub.path), one)


def told(hub: HubSet, rows: "IterableDataset") -> Iterator[Fields]:
    """The rows; a fault on the way is told without quoting any."""
    from datasets.exceptions import DatasetsError
    from pyarrow import ArrowException

    try:
        yield from rows
    except (DatasetsError, ArrowException, OSError, ValueError) as error:
        raise SourceError(f"breaks off ({type(error).__name__})", Place(hub.path), fetch_it(hub)) from None


def fetch_it(hub: HubSet) -> str:
    folder = hub.name.rpartition("/")[2]
    return (
        f"where there is a network: hf download {hub.name} --repo-type dataset --local-dir {folder}; then heedful import {folder}"
    )
