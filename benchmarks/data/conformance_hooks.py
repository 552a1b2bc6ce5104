"""What Schemathesis cannot know: names that exist. Of the requests that name a model, half are put to one that there is."""

from typing import Any

import schemathesis

KNOWN = {"/v1/chat/completions": "base", "/v1/embeddings": "all-minilm-l6-v2", "/v1/moderations": "heedful-guards"}


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: dict[str, Any]) -> None:
    model = KNOWN.get(case.operation.path)
    named = isinstance(case.body, dict) and isinstance(case.body.get("model"), str) and case.body["model"] != ""
    if model is not None and named and len(repr(case.body)) % 2:
        case.body = {**case.body, "model": model}
