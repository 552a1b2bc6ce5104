"""Options that say how to read a source, declared once for the verbs that import; and what they mean as typed values."""

from collections.abc import Sequence
from typing import Annotated

import typer

from heedful.conversation import ROLES
from heedful.errors import ConfigError
from heedful.sources import COLUMN_SIDES, FORMAT_NAMES, SEPARATORS, Hints, Separator
from heedful.sources.text import name_of

FormatOption = Annotated[
    str | None, typer.Option("--format", help=f"How it is written: {', '.join(FORMAT_NAMES)}.", show_default="by content")
]
ColumnOption = Annotated[
    list[str] | None,
    typer.Option(
        "--column",
        metavar="SIDE=NAME",
        help=f"Which column is what, for instance answer=Antwort. Sides: {', '.join(COLUMN_SIDES)}. An empty name: none.",
        show_default="found by name",
    ),
]
SpeakerOption = Annotated[
    list[str] | None,
    typer.Option(
        "--speaker",
        metavar="NAME=ROLE",
        help="Who a speaker is: user, assistant or system; text: nobody, the line is text.",
        show_default="found by name",
    ),
]
SeparatorOption = Annotated[
    str | None,
    typer.Option(
        "--separator", help=f"What stands between two talks of a transcript: {', '.join(SEPARATORS)}.", show_default="by content"
    ),
]
PersonOption = Annotated[
    str | None, typer.Option("--person", help="Whose conversations these are, where the rows do not say.", show_default="nobody's")
]
NO_SPEAKER = "text"


def read_hints(
    form: str | None,
    columns: Sequence[str] | None,
    speakers: Sequence[str] | None,
    separator: str | None,
    person: str | None = None,
) -> Hints:
    """Raises ConfigError for a word that is not allowed, with those that are."""
    named = dict(split("--speaker", text, (*ROLES, NO_SPEAKER), second=True) for text in speakers or ())
    return Hints(
        format=None if form is None else check("--format", form, FORMAT_NAMES),
        columns=dict(split("--column", text, COLUMN_SIDES) for text in columns or ()),
        speakers={name: role for name, word in named.items() for role in ROLES if role == word},
        no_speakers=frozenset(name for name, word in named.items() if word == NO_SPEAKER),
        separator=None if separator is None else read_separator(separator),
        person=None if person is None else read_person(person),
    )


def read_person(name: str) -> str:
    """As a source would give it, so that both find the same person."""
    cleaned = name_of(name, "--person")
    if cleaned is None:
        raise ConfigError("--person names nobody", "leave it out, or give a name or a number")
    return cleaned


def read_separator(word: str) -> Separator:
    for known in SEPARATORS:
        if word == known:
            return known
    raise refusal("--separator", word, SEPARATORS)


def split(option: str, text: str, allowed: Sequence[str], second: bool = False) -> tuple[str, str]:
    """Both sides of the last equals sign of a speaker, of the first one of a column; one of them is one of the allowed words."""
    left, sign, right = text.rpartition("=") if second else text.partition("=")
    if not sign:
        raise ConfigError(f"{option} {text!r} has no equals sign", f"{option} {'NAME=user' if second else 'answer=NAME'}")
    check(option, right if second else left, allowed)
    return left, right


def check(option: str, word: str, allowed: Sequence[str]) -> str:
    if word not in allowed:
        raise refusal(option, word, allowed)
    return word


def refusal(option: str, word: str, allowed: Sequence[str]) -> ConfigError:
    return ConfigError(f"{option}: {word!r} is none of {', '.join(allowed)}", "heedful import --help explains each")
