"""Refusals of this room that its own code must tell apart: content of no known format, which a folder or an archive may hold."""

from heedful.errors import SourceError

SAVE_AS_TEXT = "save it as CSV (UTF-8) or JSON Lines and import that"


class UnknownFormat(SourceError):  # noqa: N818 - in a folder it is no fault: a licence, a picture, an empty file
    """Nothing in the file looks like conversations. Alone it is refused; beside others it is passed over and named."""
