"""Logs as JSON lines: records of Python's logging in; one JSON object a line, for whoever collects logs, out.

time, level, logger, message and, where they are known, the request and what the record brings as `facts`. A traceback is told as
type and places: its text may quote what a person wrote. Of Heedful everything from INFO on is told, of libraries from WARNING on.
"""

import json
import logging
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, TextIO

from heedful.server.errors import where

REQUEST: ContextVar[str] = ContextVar("request", default="")  # id of the request that is being answered


class JsonLines(logging.Formatter):
    """The seam of logging, hence the inheritance."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if REQUEST.get():
            line["request"] = REQUEST.get()
        line |= getattr(record, "facts", {})
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, Exception):
            line["error"] = where(error)
        return json.dumps(line)


def write_json_lines(stream: TextIO) -> None:
    """From now on, and instead of everything that was set before."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger("heedful").setLevel(logging.INFO)
