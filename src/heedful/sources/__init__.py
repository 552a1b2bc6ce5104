"""Sources: conversations in files, folders, archives, databases and hub data sets in; SourceRow and BadRow values out, in order.

`find(location)` looks at the content, never at names, and refuses what cannot be read as a whole (SourceError). `read(source)` then
yields every row. A bad row does not stop it: whoever reads decides whether an import is all or nothing.
"""

from heedful.sources.containers.hub import HubSet
from heedful.sources.containers.sql import Query
from heedful.sources.detect import COLUMN_SIDES, FORMAT_NAMES, read
from heedful.sources.find import Location, Passed, find, locate, name_of_location, place_of_location
from heedful.sources.rows import SEPARATORS, BadRow, Counts, Hints, Separator, Source, SourceRow

__all__ = [
    "COLUMN_SIDES",
    "FORMAT_NAMES",
    "SEPARATORS",
    "BadRow",
    "Counts",
    "Hints",
    "HubSet",
    "Location",
    "Passed",
    "Query",
    "Separator",
    "Source",
    "SourceRow",
    "find",
    "locate",
    "name_of_location",
    "place_of_location",
    "read",
]
