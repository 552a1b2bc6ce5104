"""Model: a text in; names and places that a spaCy model finds in it, out, when the team has installed one with `pip`.

The rules do without. A model adds names that no list has and no cue announces; it is slower by far. It is found by the entry point
that spaCy's models register, so nothing is imported where there is none, and it is never downloaded.
"""

from collections.abc import Iterator
from functools import cache
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

from heedful.privacy.identifiers.kinds import Identifier, Kind
from heedful.privacy.identifiers.lexicon import COUNTRY, ORDINARY, PUBLIC, REGION, fold, lexicon
from heedful.privacy.identifiers.sentences import is_personal
from heedful.privacy.identifiers.words import Words

if TYPE_CHECKING:
    from presidio_analyzer.nlp_engine import SpacyNlpEngine

KINDS: dict[str, Kind] = {"PERSON": "name", "LOCATION": "place"}
MODEL_SCORE = 0.6  # below every rule: a model only fills what the rules left
LANGUAGE = "en"


@cache
def installed_model() -> str | None:
    """The first English model by name, or None."""
    names = sorted(point.name for point in entry_points(group="spacy_models"))
    return next((name for name in names if name.startswith(f"{LANGUAGE}_")), None)


@cache
def engine(name: str) -> "SpacyNlpEngine":
    from presidio_analyzer.nlp_engine import SpacyNlpEngine

    loaded = SpacyNlpEngine(models=[{"lang_code": LANGUAGE, "model_name": name}])
    loaded.load()
    return loaded


def find_by_model(words: Words) -> Iterator[Identifier]:
    name = installed_model()
    if name is None or not words:
        return
    artifacts = engine(name).process_text(words.text, LANGUAGE)
    labels = engine(name).ner_model_configuration.model_to_presidio_entity_mapping
    assert labels is not None  # Presidio fills in its defaults
    for entity in artifacts.entities:
        kind = KINDS.get(labels.get(entity.label_, ""))
        if kind is not None and names_somebody(words, entity.start_char, entity.end_char, kind):
            yield Identifier(entity.start_char, entity.end_char, kind, MODEL_SCORE)


def names_somebody(words: Words, start: int, end: int, kind: Kind) -> bool:
    """What the lists know better stands: medicines, thinkers and plain words; a country in a sentence about nobody."""
    flags = lexicon().flags.get(fold(words.text[start:end]), 0)
    if flags & PUBLIC or (flags & ORDINARY and words.text[start:end].islower()):
        return False
    return kind == "name" or not flags & (COUNTRY | REGION) or is_personal(words, start, end)
