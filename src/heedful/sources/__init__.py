"""Sources: a file of conversations in; SourceRow and BadRow values out, one by one, in the order of the file.

`detect(path)` looks at the content, never at the extension, and refuses a file that cannot be read as a whole (SourceError).
`read(source)` then yields every row. A bad row does not stop it: whoever reads decides whether the import is all or nothing.
"""

from heedful.sources.formats import detect, read
from heedful.sources.rows import BadRow, Columns, Counts, Source, SourceRow

__all__ = ["BadRow", "Columns", "Counts", "Source", "SourceRow", "detect", "read"]
