"""What Schemathesis cannot know: names that exist. Of the requests that name something, half are put to what there is.

The environment brings them: JSON, by path and parameter. Nothing that exists is deleted.
"""

import json
import os
from typing import Any
from zlib import crc32

import schemathesis

NAMES: dict[str, dict[str, str]] = json.loads(os.environ["CONFORMANCE_NAMES"])


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: dict[str, Any]) -> None:
    known = NAMES.get(case.operation.path, {})
    if case.method == "DELETE" or crc32(repr((case.path_parameters, case.query, case.body)).encode()) % 2:
        return
    for place in ("path_parameters", "body"):
        given = getattr(case, place)
        if isinstance(given, dict):
            named = {name: value for name, value in known.items() if isinstance(given.get(name), str) and given[name]}
            if named:
                setattr(case, place, {**given, **named})
