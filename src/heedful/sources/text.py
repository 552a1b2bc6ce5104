"""One text of a source in; a usable, mended text out, or a RowError that says why there is none."""

import re
from decimal import Decimal
from math import isfinite, isnan
from uuid import UUID

from ftfy import TextFixerConfig, fix_text

from heedful.sources.rows import Counts, RowError

# Only what a broken encoding did is undone. Quotes, ligatures, widths, entities and line breaks stay as they were written.
GENTLE = TextFixerConfig(
    unescape_html=False,
    remove_terminal_escapes=False,
    fix_latin_ligatures=False,
    fix_character_width=False,
    uncurl_quotes=False,
    fix_line_breaks=False,
    normalization=None,
    explain=False,
)
# ASCII without control characters, and what word processors make of it. Every encoding that ftfy tries has these as continuation
# bytes only, or as lead bytes only, so a text of nothing else cannot be mojibake.
PLAIN = re.compile(r"[\t\n\r\x20-\x7e\xa0‘’“”–—…]*")
NO_BREAK_SPACE = "\xa0"
KINDS = {
    str: "a text",
    dict: "an object",
    list: "a list",
    bool: "true or false",
    int: "a number",
    float: "a number",
    type(None): "null",
}
NAME_LENGTH = 40  # characters of a name of a column or a role that a message quotes


def clean(value: object, name: str, counts: Counts) -> str:
    """`value` without mojibake, outer white space and no-break spaces, lines ended by \\n. `name` is what messages call it.

    Raises RowError when it is no text, holds a NUL, or has nothing to read in it.
    """
    if not isinstance(value, str):
        raise RowError(f"{name} is {kind(value)}, not a text")
    if "\0" in value:
        raise RowError(f"{name} holds a NUL character")
    text = value.replace("\r\n", "\n").replace("\r", "\n")
    mended: str = text if PLAIN.fullmatch(text) else fix_text(text, GENTLE)
    tidy = mended.replace(NO_BREAK_SPACE, " ").strip()
    if not any(character.isprintable() for character in tidy):
        raise RowError(f"{name} is empty")
    counts.repaired += mended != text
    return tidy


def name_of(value: object, name: str) -> str | None:
    """A key or label: a text, or a whole number or a UUID, as tables and databases give them. Null and a blank text are none."""
    if value is None or is_blank(value) or (isinstance(value, float | Decimal) and isnan(value)):
        return None
    if isinstance(value, float | Decimal) and isfinite(value) and value == int(value):
        value = int(value)  # a table of numbers with gaps has them as 17.0
    if isinstance(value, UUID) or (isinstance(value, int) and not isinstance(value, bool)):
        value = str(value)
    return clean(value, name, Counts())


def is_blank(value: object) -> bool:
    return isinstance(value, str) and not value.strip()


def kind(value: object) -> str:
    """What a value is, for a message that must not quote it."""
    return KINDS.get(type(value), f"of type {type(value).__name__}")


def shorten(name: str) -> str:
    """A name of a column or speaker, short enough for a message."""
    tidy = " ".join(name.split())
    return tidy if len(tidy) <= NAME_LENGTH else tidy[:NAME_LENGTH] + "…"


def quote(name: str) -> str:
    return repr(shorten(name))
