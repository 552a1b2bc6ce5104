"""Eight invented persons: files of their chats for an import; and a search for their bytes that trusts nothing of ours."""

import json
import random
from pathlib import Path

# Nouns that only one of them uses, so that any byte of theirs can be told apart.
NOUNS = {
    "team": ("teapot", "doormat", "bookshelf", "raincoat"),
    "anneliese-4711": ("kettledrum", "marmalade", "lighthouse", "thimbleful"),
    "bartholomew-4712": ("accordion", "gingersnap", "windowsill", "haberdasher"),
    "cassiopeia-4713": ("metronome", "dandelion", "boathouse", "quicksilver"),
    "dragomir-4714": ("tambourine", "rhubarb", "drawbridge", "candlewick"),
    "euphemia-4715": ("clarinet", "butterscotch", "greenhouse", "paperweight"),
    "ferdinand-4716": ("xylophone", "nutmeg", "watermill", "shoelace"),
    "guinevere-4717": ("harmonica", "pumpernickel", "staircase", "umbrella"),
    "hieronymus-4718": ("mandolin", "turnip", "gatehouse", "wheelbarrow"),
}
PERSONS = tuple(name for name in NOUNS if name != "team")
OPENINGS = ("I keep dreaming of the", "Nobody asks me about the", "Since March I am afraid of the", "My brother sold the")
PLACES = ("in the old kitchen", "beside the harbour wall", "at the end of our street", "behind the music school")
REPLIES = ("It sounds as if the", "You carry a lot with the", "I wonder what happened to the")
ENDS = ("still follows you around.", "has no good place in your day yet.", "wants to be talked about for once.")


def texts_of(person: str, number: int) -> tuple[str, str]:
    """A question and its answer, different for every number."""
    drawn = random.Random(f"{person} {number}")
    noun, other = drawn.sample(NOUNS[person], 2)
    question = f"{drawn.choice(OPENINGS)} {noun} and its {other} {drawn.choice(PLACES)}: day {number}."
    return question, f"{drawn.choice(REPLIES)} {other} {drawn.choice(ENDS)} What happened on day {number}?"


def write_chats(path: Path, *persons: str, each: int = 14) -> Path:
    rows = []
    for person in persons:
        for number in range(each):
            question, answer = texts_of(person, number)
            messages = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
            rows.append(json.dumps({"messages": messages, "person": person}))
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def person_in(lines: Path) -> str:
    """Somebody whose words stand in a file of a dataset. All of a person stands in one file."""
    text = lines.read_text(encoding="utf-8").lower()
    return next(person for person in PERSONS if NOUNS[person][0] in text)


def left_of(person: str, root: Path) -> list[str]:
    """Every file below `root`, path included, in which the name or a noun of the person stands; one plain search a needle."""
    needles = [word.encode() for word in (person, *NOUNS[person])]
    found = []
    for path in sorted(root.rglob("*")):
        content = str(path.relative_to(root)).encode() + b"\0" + (path.read_bytes().lower() if path.is_file() else b"")
        found += [f"{path.relative_to(root)}: {needle.decode()}" for needle in needles if needle in content]
    return found
