"""Resources and responses: no country is assumed, a team's own file goes first, and every entry says how it was verified."""

from datetime import date
from pathlib import Path

import pytest

from heedful.conversation import Message
from heedful.errors import ConfigError
from heedful.guards import assess_crisis
from heedful.guards.resources import load_countries, named_country
from heedful.guards.responses import addition, is_response, place_of, respond

OWN = """
countries:
  IE:
    name: Ireland
    called: [ireland]
    emergency: "112"
    lines:
      - {for: suicide, name: Our own line, phone: "0800 1", source: https://a.org, verified_at: 2026-10-01, verified_how: called}
"""


def reply_to(*texts: str, country: str | None = None) -> str:
    last = len(texts) - 1
    chat = [Message("user" if (last - place) % 2 == 0 else "assistant", text) for place, text in enumerate(texts)]
    return respond(assess_crisis(chat), chat, place_of(chat, country, load_countries()))


def test_every_entry_has_a_source_and_an_honest_date() -> None:
    countries = load_countries()
    assert len(countries) > 40
    for country in countries.values():
        assert any(line.need == "suicide" for line in country.lines), country.code
        for line in country.lines:
            assert line.source.startswith("https://") and line.verified_at <= date.today()
            assert line.verified_how in ("written", "called", "page")


def test_no_country_is_assumed() -> None:
    text = reply_to("I want to kill myself")
    assert "which country you are in" in text and "your local emergency number" in text
    assert not any(character.isdigit() for character in text)


def test_the_country_that_the_person_names_goes_before_the_configured_one() -> None:
    assert "988" in reply_to("I want to kill myself", country="US")
    assert "116 123" in reply_to("I want to kill myself", "Where are you?", "i'm in Ireland", country="US")
    assert "13 11 14" in reply_to("I want to kill myself", "Where are you?", "Australia")


@pytest.mark.parametrize(("text", "code"), [("I live in the Netherlands", "NL"), ("new zealand", "NZ"), ("South Korea", "KR")])
def test_countries_are_known_by_name(text: str, code: str) -> None:
    found = named_country(text, load_countries())
    assert found is not None and found.code == code


@pytest.mark.parametrize("text", ["tell us more", "I miss India ink", "nobody told us"])
def test_a_word_is_no_country(text: str) -> None:
    assert named_country(text, load_countries()) is None


def test_the_kind_decides_the_words_and_the_lines() -> None:
    assert "not your fault" in reply_to("my husband hits me", country="GB")
    assert "0808 2000 247" in reply_to("my husband hits me", country="GB")
    young = reply_to("I'm 14 and I want to die", country="GB")
    assert "Childline" in young and "an adult you trust" in young
    assert "in the cot" in reply_to("I shook the baby and I'm scared I will hurt her")
    assert reply_to("I took all my pills, I'm going to die tonight", country="US").startswith("I am very glad you wrote this.")


def test_a_second_turn_is_answered_with_other_words() -> None:
    first = reply_to("I want to kill myself", country="US")
    second = reply_to("I want to kill myself", first, "idk", country="US")
    assert is_response(Message("assistant", first)) and is_response(Message("assistant", second))
    assert second != first and "988" in second


def test_a_passive_wish_gets_an_addition_once() -> None:
    chat = [Message("user", "I wish I would not wake up tomorrow")]
    behind = addition(assess_crisis(chat), chat, place_of(chat, "US", load_countries()))
    assert "988" in behind
    later = [*chat, Message("assistant", f"I hear you.\n\n{behind}"), *chat]
    assert addition(assess_crisis(later), later, place_of(later, "US", load_countries())) == ""


def test_a_team_corrects_the_table_in_a_file_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "lines.yaml"
    path.write_text(OWN, encoding="utf-8")
    countries = load_countries(path)
    assert [line.name for line in countries["IE"].lines] == ["Our own line"]
    assert "GB" in countries
    path.write_text(OWN.replace("source: https://a.org, ", ""), encoding="utf-8")
    load_countries.cache_clear()
    with pytest.raises(ConfigError, match=r"guards.resources: .*lines.yaml: no field 'source'"):
        load_countries(path)
