"""Page: the manifest and the lengths of the conversations in, a self-contained page for a clinician out."""

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from markupsafe import Markup

from heedful.config import DatasetSettings
from heedful.dataset.card import lengths_table, percentile
from heedful.dataset.filters import EXACT_DUPLICATE, NEAR_DUPLICATE, reasons
from heedful.dataset.review import words_of
from heedful.dataset.writing import Lengths
from heedful.drawing.bars import Bar, histogram, lines
from heedful.drawing.page import page_templates

FEW = 8  # different lengths
ROLES = {"train": "to learn from", "validation": "to decide when to stop", "test": "to prove the result"}


def render_page(manifest: Mapping[str, Any], lengths: Lengths, settings: DatasetSettings) -> str:
    """card.html. `lengths` are those of the lines of the dataset."""
    drops = left_out(manifest, settings)
    reviews = [(words_of(rule), counts) for rule, counts in manifest["review"].items()]
    return page_templates("heedful.dataset").get_template("card.html.jinja").render(
        m=manifest,
        headline=headline(manifest),
        drops=drops,
        drops_chart=lines([Bar(plain(name), count, f"{count:,}", "muted") for name, _, count in drops], "conversations left out"),
        left_out=sum(count for *_, count in drops),
        awaiting=sum(counts.get("awaiting", 0) for _, counts in reviews),
        reviews=reviews,
        held=settings.awaiting_review == "hold",
        repetition=repetition(manifest),
        changes=changes(manifest),
        identifiers=identifiers(manifest),
        topics=topics(manifest),
        topics_words=topics_words(manifest),
        messages_chart=chart(lengths.messages, "messages"),
        answers_chart=chart(lengths.answers, "characters"),
        lengths=lengths_table(lengths),
        splits_chart=splits(manifest),
        sources=[{**source, "path": PurePath(source["path"]).name} for source in manifest["sources"]],
    )  # fmt: skip


def plain(name: str) -> str:
    return name.replace("_", " ")


def left_out(manifest: Mapping[str, Any], settings: DatasetSettings) -> list[tuple[str, str, int]]:
    """(name, words, count) of every reason that met somebody, most frequent first."""
    words = reasons(settings)
    found = [(name, words[name], count) for name, count in manifest["dropped"].items() if count]
    return sorted(found, key=lambda drop: -drop[2])


def headline(manifest: Mapping[str, Any]) -> str:
    total, composed, sources = sum(manifest["counts"].values()), manifest["composed"], len(manifest["sources"])
    said = [f"{total:,} conversations from {sources} source{'' if sources == 1 else 's'}."]
    if composed:
        said.append(f"{composed:,} of them were composed from single exchanges.")
    if manifest["languages"]:
        said.append(f"Language: {', '.join(manifest['languages'])}.")
    return " ".join(said)


def repetition(manifest: Mapping[str, Any]) -> str:
    exact, near = (manifest["dropped"][reason] for reason in (EXACT_DUPLICATE, NEAR_DUPLICATE))
    return (
        f"{exact:,} conversations repeated another one word for word, and {near:,} with small edits; one of each is kept. "
        f"{manifest['questions_with_versions']:,} questions were asked in nearly the same words as another one: where their "
        "answers differ, all stay, in one part."
    )


def changes(manifest: Mapping[str, Any]) -> list[str]:
    edited = sum(counts.get("edited", 0) for counts in manifest["review"].values())
    said = {
        "In {:,} conversations, names, places, numbers and the like were replaced.": manifest["identifiers"]["conversations"],
        "{:,} conversations lost a signature or an advertisement that stood under many answers.": manifest["changed"][
            "signature_cut"
        ],
        "{:,} answers stand as a reviewer wrote them.": edited,
        "{:,} conversations of several turns were composed from single exchanges, in the part to learn from only.": manifest[
            "composed"
        ],
        "{:,} answers stand a second time below passages of the team's documents, to learn to cite what supports them.": sum(
            manifest["grounded"]["outcomes"][outcome] for outcome in ("cited", "uncited")
        ),
    }
    return [text.format(count) for text, count in said.items() if count] or ["Nothing: the texts stand as they came."]


def identifiers(manifest: Mapping[str, Any]) -> Markup:
    """One bar a kind. Empty when none was replaced."""
    counted = sorted(manifest["identifiers"]["places"].items(), key=lambda one: (-one[1], one[0]))
    return lines([Bar(plain(kind), count, f"{count:,}", "note") for kind, count in counted], "identifiers replaced")


def topics(manifest: Mapping[str, Any]) -> Markup:
    bars = [Bar(", ".join(topic["words"][:3]), topic["share"], f"{topic['share']:.0%}") for topic in manifest["topics"]]
    return lines(bars, "share of questions by subject")


def topics_words(manifest: Mapping[str, Any]) -> str:
    """The words that have no room in the chart."""
    more = [f"{topic['words'][0]}: {', '.join(topic['words'][3:])}" for topic in manifest["topics"] if len(topic["words"]) > 3]
    return f"Further words: {'; '.join(more)}." if more else ""


def splits(manifest: Mapping[str, Any]) -> Markup:
    counts, groups, looks = manifest["counts"], manifest["groups"], {"train": "strong", "validation": "note", "test": "good"}
    total = sum(counts.values())
    bars = [
        Bar(f"{split}: {words}", counts[split], f"{counts[split]:,} ({counts[split] / total:.0%})", looks[split])
        for split, words in ROLES.items()
    ]
    return lines(bars, f"conversations of each part; {sum(groups.values()):,} questions or groups in all")


def chart(counted: Mapping[int, int], unit: str) -> Markup:
    """Few values are shown one by one; many in bars, cut at the 98th percentile, so that a few giants do not flatten the rest."""
    if len(counted) <= FEW:
        return lines([Bar(f"{value} {unit}", count, f"{count:,}") for value, count in sorted(counted.items())], unit)
    most, counted_as = percentile(counted, 98), "conversations" if unit == "messages" else "answers"
    more = "; the last bar holds all longer ones" if max(counted) > most else ""
    return histogram(counted, most, f"{unit}{more}", counted_as)
