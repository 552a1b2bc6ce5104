"""Words: a reading in; sentences that a clinician can act on, out."""

from heedful.lifecycle.experiments.monitor import Harm
from heedful.lifecycle.experiments.outcomes import OUTCOMES
from heedful.lifecycle.experiments.reading import UNLIKE, Finding, Preference, Reading
from heedful.store.schema_experiments import ExperimentEnd

HARMS = {
    "guard": "the output guard had to keep something harmful from the person",
    "crisis": "the person came to greater danger than at the start",
    "mood": "a conversation left the person worse",
}
ENDS = {
    "stopped": "it was stopped by {actor}{reason}",
    "harm": "it stopped itself for harm: {harm}",
    "champion": "it ended because another version became the champion",
    "quarantine": "it ended because one of its versions is quarantined",
}
NEXT = {
    "challenger better": "Read the transcripts before you promote it; the figures say that it helps more, not why.",
    "champion better": "Stop it, and look at what the challenger learned.",
    "inconclusive": "Nothing is shown yet, in either direction: go on, or stop and keep the champion. Both are answers.",
    "stopped for harm": "Everybody is served by the champion. Look at the harms before this version is tried again.",
}


def say(reading: Reading) -> list[str]:
    """What was found, what it rests on, what to do."""
    lines = [f"{sentence(reading.verdict)}. {NEXT[reading.verdict]}"]
    if reading.end is not None:
        lines.append(say_end(reading.end))
    deciding = next((finding for finding in reading.findings if finding.decides), None)
    if deciding is not None:
        lines += say_finding(deciding)
    if reading.preference is not None:
        lines += say_preference(reading.preference)
    return [*lines, *(say_harm(harm) for harm in reading.harms if harm.champion + harm.challenger)]


def say_end(end: ExperimentEnd) -> str:
    reason = f": {end.reason}" if end.reason else ""
    return sentence(ENDS[end.ending].format(actor=end.actor, harm=HARMS.get(end.harm, end.harm), reason=reason)) + "."


def sentence(words: str) -> str:
    """With a capital; what follows is left as it is, for there are names in it."""
    return words[:1].upper() + words[1:]


def say_finding(finding: Finding) -> list[str]:
    champion, challenger = finding.arms
    if champion.value is None or challenger.value is None or finding.difference is None:
        return [f"Of {champion.persons + challenger.persons} persons too few have an outcome to compare ({finding.words})."]
    first = (
        f"{sentence(finding.words)}: {show(finding, challenger.value)} of {challenger.with_outcome} with the challenger, "
        f"{show(finding, champion.value)} of {champion.with_outcome} with the champion."
    )
    if finding.interval is None:
        return [first, "Too few persons to say how far that may be from the truth."]
    low, high = (show(finding, end, signed=True) for end in finding.interval)
    lines = [
        first,
        f"The difference is between {low} and {high}, however often you look (95 %); e-value {finding.e_value:.3g}; 20 decides.",
    ]
    if finding.split_e_value >= UNLIKE:
        lines.append("Persons of one variant answer more often than the other's, so who answered cannot be compared.")
    return lines


def say_preference(preference: Preference) -> list[str]:
    judged = preference.judged
    decided, ties = sum(one != "tie" for one in judged.preferences), sum(one == "tie" for one in judged.preferences)
    lines = [f"Clinicians compared {len(judged.preferences)} of {judged.pairs} pairs of replies, blind: {ties} were alike to them."]
    if preference.share is not None and preference.interval is not None:
        low, high = preference.interval
        lines.append(
            f"The challenger's was preferred in {preference.share:.0%} of {decided}; truly between {low:.0%} and {high:.0%}, "
            f"however often you look (95 %); e-value {preference.e_value:.3g}; 20 decides."
        )
    if judged.doubly:
        beyond = "" if judged.kappa is None else f", kappa {judged.kappa:.2f}"
        lines.append(f"Two clinicians saw {judged.doubly} of them and agreed on {judged.agreed}{beyond}.")
    return lines


def say_harm(harm: Harm) -> str:
    counts = f"{harm.challenger} persons with the challenger, {harm.champion} with the champion"
    return f"Harm, {HARMS[harm.kind]}: {counts}; e-value {harm.e_value:.3g}."


def show(finding: Finding, value: float, signed: bool = False) -> str:
    """Shares in per cent, changes in points."""
    sign = "+" if signed else ""
    return f"{value:{sign}.2f}" if is_graded(finding) else f"{100 * value:{sign}.1f} %"


def is_graded(finding: Finding) -> bool:
    return OUTCOMES[finding.outcome].graded
