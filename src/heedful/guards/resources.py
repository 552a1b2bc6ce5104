"""Resources: a country in; the lines that people there can call, and the local emergency number, out. Looked up, never generated.

The packaged table can be corrected by a team's own file of the same form (`guards.resources`); a country in it replaces ours.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import yaml

from heedful.conversation import Message
from heedful.errors import ConfigError
from heedful.guards.crisis.letters import plain_letters
from heedful.guards.tables import table

Need = Literal["suicide", "abuse", "child", "perinatal"]
NEEDS: tuple[Need, ...] = ("suicide", "abuse", "child", "perinatal")
CONFIRMED = ("called", "page")  # how an entry can have been verified; `written` is neither


@dataclass(frozen=True, slots=True)
class Line:
    """One service. `phone` or `text` may be empty, not both. `verified_how`: called, page, or written (nobody looked yet)."""

    need: Need
    name: str
    phone: str
    text: str
    source: str
    verified_at: date
    verified_how: str

    def in_words(self) -> str:
        """`Samaritans: call 116 123`."""
        ways = [f"call {self.phone}"] * bool(self.phone) + [f"text {self.text}"] * bool(self.text)
        return f"{self.name}: {' or '.join(ways)}"


@dataclass(frozen=True, slots=True, eq=False)
class Country:
    """`code` is ISO 3166-1 alpha-2; `called` are names in plain letters. Each equals itself alone, so a cache finds it at once."""

    code: str
    name: str
    called: tuple[str, ...]
    emergency: str
    lines: tuple[Line, ...]

    def lines_for(self, needs: Sequence[Need], most: int = 3) -> tuple[Line, ...]:
        """In the order of `needs`; the general lines always come, last if not asked for."""
        order = list(dict.fromkeys([*needs, "suicide"]))
        found = [line for need in order for line in self.lines if line.need == need]
        return tuple(found[:most])


Countries = Mapping[str, Country]


@lru_cache(maxsize=4)
def load_countries(own: Path | None = None) -> Countries:
    """By code. Raises ConfigError when a team's own file cannot be read or lacks a field."""
    packaged = {code: read_country(code, entry) for code, entry in table("resources")["countries"].items()}
    return packaged if own is None else {**packaged, **read_own(own)}


def read_own(path: Path) -> dict[str, Country]:
    try:
        entries = yaml.safe_load(path.read_text(encoding="utf-8"))["countries"]
        return {str(code).upper(): read_country(str(code).upper(), entry) for code, entry in entries.items()}
    except OSError as error:
        raise ConfigError(f"guards.resources: cannot read {path}: {error.strerror}", "give the path of a YAML file") from None
    except (yaml.YAMLError, KeyError, TypeError, ValueError, AttributeError) as error:
        what = f"no field {error}" if isinstance(error, KeyError) else "not of the form of the packaged table"
        raise ConfigError(
            f"guards.resources: {path}: {what}", "copy a country from assets/guards/resources.yaml and edit it"
        ) from None


def read_country(code: str, entry: Mapping[str, Any]) -> Country:
    lines = tuple(
        Line(
            need=line["for"],
            name=line["name"],
            phone=line.get("phone", ""),
            text=line.get("text", ""),
            source=line["source"],
            verified_at=as_date(line["verified_at"]),
            verified_how=line["verified_how"],
        )
        for line in entry["lines"]
    )
    if not lines or not all(line.need in NEEDS and (line.phone or line.text) for line in lines):
        raise ValueError("a line needs `for` and a phone or text number")
    return Country(code, entry["name"], tuple(entry.get("called", ())), str(entry["emergency"]), lines)


def as_date(value: object) -> date:
    return value if isinstance(value, date) else date.fromisoformat(str(value))


def country_of(messages: Sequence[Message], countries: Countries) -> Country | None:
    """The country that the person named last: `I'm in Canada`, or just `Canada`. Guessed from nothing else."""
    for message in reversed(messages):
        if message.role == "user":
            found = named_country(message.content, countries)
            if found is not None:
                return found
    return None


def named_country(text: str, countries: Countries) -> Country | None:
    letters = " ".join(re.sub(r"[^\w ]+", " ", plain_letters(text)).split())
    for expression, code in name_patterns(tuple((c.code, c.called) for c in countries.values())):
        if expression.search(letters):
            return countries[code]
    return None


@lru_cache(maxsize=4)
def name_patterns(names: tuple[tuple[str, tuple[str, ...]], ...]) -> tuple[tuple[re.Pattern[str], str], ...]:
    """Longest names first, so that `new zealand` and `south korea` are not cut short."""
    flat = sorted(((name, code) for code, called in names for name in called), key=lambda pair: -len(pair[0]))
    stay = "i am|im|i m|i live|living|live|we live|we are|based|here|stay|staying"
    place = rf"(?:\b(?:{stay}) (?:\w+ )?in|\bcountry is|\bfrom) (?:the )?"
    return tuple(
        (re.compile(rf"{place}{re.escape(name)}\b|^(?:the |in |its |it is )*{re.escape(name)}$"), code) for name, code in flat
    )


def known_numbers(countries: Countries) -> frozenset[str]:
    """Every number of the table, digits only: what a reply may name."""
    return numbers_of(tuple(countries.values()))


@lru_cache(maxsize=4)
def numbers_of(countries: tuple[Country, ...]) -> frozenset[str]:
    numbers = [number for country in countries for line in country.lines for number in (line.phone, line.text)]
    numbers += [country.emergency for country in countries] + ["112", "911", "999"]
    groups = [group for number in numbers for group in re.split(r" or |\(|\)|,", number)]
    return frozenset(digits for group in groups if (digits := re.sub(r"\D", "", group)))


def known_hosts(countries: Countries) -> frozenset[str]:
    """Hosts of the services' own pages."""
    return hosts_of(tuple(countries.values()))


@lru_cache(maxsize=4)
def hosts_of(countries: tuple[Country, ...]) -> frozenset[str]:
    return frozenset(re.sub(r"^https?://(?:www\.)?|/.*$", "", line.source) for country in countries for line in country.lines)
