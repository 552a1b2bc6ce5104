"""Secrets: a name in; its value out, from the environment alone, because a configuration file is shown and committed."""

import os

SECRETS = {
    "HEEDFUL_MASTER_KEY": "opens the keys of all persons; without it, the file master.key of the workspace does",
    "HEEDFUL_JUDGE_KEY": "API key of the server under `judge`",
    "HEEDFUL_UPSTREAM_KEY": "API key of the server under `upstream`",
    "HEEDFUL_NEXT_MASTER_KEY": "the key that `heedful vault rotate` changes to",
}


def read_secret(name: str) -> str | None:
    """None when it is not set, or empty."""
    assert name in SECRETS, "secrets are declared here"
    value = os.environ.get(name)
    return value if value else None
