"""Page: a Report in, one self-contained HTML text out. It needs no script and no file from elsewhere, and prints well."""

from collections.abc import Sequence

from heedful.drawing.page import page_templates
from heedful.evaluation.charts import line_chart, series_from, strip
from heedful.evaluation.checks import CheckResult, per_cent, quantity
from heedful.evaluation.learning import gap_words
from heedful.evaluation.matrix import plot
from heedful.evaluation.prompts import HELD_OUT
from heedful.evaluation.report import LikelihoodResult, Report
from heedful.evaluation.scorers import SCORERS

GAP_LOOKS = {"excellent": "good", "fair": "note", "overfitting": "bad"}
EXAMPLE = 300  # characters of an example beside the verdict
SHOWN_TURNS = 6  # of a prompt; the turns before are counted, and stand in report.json

FLAGS = {known.check.name: {"words": known.flag, "look": "bad" if known.check.blocking else "note"} for known in SCORERS}


def to_html(report: Report) -> str:
    """The page for a reader who is no engineer: the verdict first, then the evidence, then its limits."""
    environment = page_templates("heedful.evaluation")
    environment.filters.update(quantity=quantity, per_cent=per_cent)
    curves = [
        series_from(report.metrics, "loss", "training loss", "muted"),
        series_from(report.metrics, "train_nll", "training NLL", "other", dots=True),
        series_from(report.metrics, "validation_nll", "validation NLL", "strong", dots=True),
    ]
    return environment.get_template("report.html.jinja").render(
        report=report,
        headline=headline(report),
        title=VERDICTS[report.verdict],
        examples=examples(report),
        champion=next((one.against for one in report.comparisons if one.against != report.base), None),
        reasons=[reason(check) for check in report.checks if check.check in (*report.failed, *report.inconclusive)],
        outcome=outcome,
        bound=bound,
        interval=interval,
        strip=strip,
        curves=line_chart(curves, "optimiser step", "nats a token"),
        matrix_plot=None if report.matrix is None or not report.matrix.forgotten else plot(report.matrix),
        told_apart=[one for one in report.comparisons if one.wins or one.losses],
        alike=list(dict.fromkeys(one.title.lower() for one in report.comparisons if not one.wins and not one.losses)),
        units={known.check.name: known.check.unit for known in SCORERS},
        parts=[one for one in report.suites if "/" not in one.part and one.part != HELD_OUT],
        titles={check.check: check.title for check in report.checks} | {known.check.name: known.check.title for known in SCORERS},
        suite_labels={} if report.matrix is None else {suite.dataset: suite.label for suite in report.matrix.suites},
        flags=FLAGS,
        shown_turns=SHOWN_TURNS,
        nll_words=None if report.nll is None else likelihood_words(report.nll),
        gap_words=None if report.gap is None else gap_words(report.gap),
        gap_look=GAP_LOOKS,
        limits=limits(report),
    )


VERDICTS = {"passed": "Passed", "failed": "Not passed", "inconclusive": "Not proven"}


def headline(report: Report) -> str:
    """One sentence that says what follows from the verdict."""
    blocking = [check for check in report.checks if check.blocking]
    if report.verdict == "passed":
        return f"All {len(blocking)} blocking checks hold. This version may be promoted."
    failed, unclear = len(report.failed), len(report.inconclusive)
    said = [f"{failed} {'does' if failed == 1 else 'do'} not hold"] if failed else []
    said += [f"{unclear} {'is' if unclear == 1 else 'are'} inconclusive"] if unclear else []
    return (
        f"Of {len(blocking)} blocking checks {' and '.join(said) if said else 'none was made'}. This version must not be promoted."
    )


def reason(check: CheckResult) -> str:
    """Why a check refuses: `Replies that go in circles: 30%, asked for: at most 5%`."""
    if check.outcome == "fail":
        return f"{check.title}: {quantity(check.value, check.unit)}, asked for: {check.threshold_text}."
    return f"{check.title}: cannot be told, for {check.why}."


def examples(report: Report) -> list[tuple[str, str, str]]:
    """(check, what the person said last, what the tuned model replied) of the first transcript that trips each failed check."""
    titles = {check.check: check.title for check in report.checks}
    found = []
    for name in report.failed:
        talk = next((one for one in report.transcripts if name in one.tuned.flags), None)
        if talk is not None:
            said = next((message.content for message in reversed(talk.messages) if message.role == "user"), "")
            found.append((titles[name], shorten(said), shorten(talk.tuned.text if talk.tuned.raw is None else talk.tuned.raw)))
    return found


def shorten(text: str) -> str:
    return text if len(text) <= EXAMPLE else f"{text[:EXAMPLE].rstrip()} …"


def outcome(check: CheckResult) -> tuple[str, str]:
    """Class and words of the last column. An advisory check never refuses anything, and says so."""
    if check.outcome == "pass":
        return "good", "Holds"
    if check.outcome == "inconclusive":
        return ("bad" if check.blocking else "note"), "Inconclusive"
    return ("bad", "Does not hold") if check.blocking else ("note", "Worth a look")


def bound(check: CheckResult) -> str:
    """`at worst 7.2%, 25% allowed`: what the evidence leaves open, and what may stay open."""
    at_worst, allowed = (quantity(value, check.unit).removesuffix(f" {check.unit}") for value in (check.bound, check.bound_limit))
    return f"at worst {at_worst}, {allowed} allowed"


def interval(check: CheckResult) -> str:
    if check.interval is None:
        return "no interval"
    low, high = (quantity(edge, check.unit).removesuffix(f" {check.unit}") for edge in check.interval)
    return f"{low} to {high}"


def likelihood_words(nll: LikelihoodResult) -> str:
    """What the numbers say, in a sentence or two."""
    if nll.gain is None or nll.base is None or nll.tuned is None:
        return "The likelihood could not be computed: a number was not finite. Training has probably diverged."
    direction = "lower" if nll.gain > 0 else "not lower"
    numbers = f"{nll.tuned:.3f} against {nll.base:.3f}"
    words = f"The tuned model's surprise at these answers is {direction} than the base's ({numbers})."
    if nll.interval is None:
        return f"{words} There is too little data for an interval."
    if nll.interval[0] <= 0 <= nll.interval[1]:
        return f"{words} The interval includes zero, so the difference may be chance."
    return f"{words} The interval leaves out zero, so the difference is unlikely to be chance."


def limits(report: Report) -> list[str]:
    """What this evidence cannot show, with the numbers of this very report."""
    count, temperature = report.prompts, report.settings["sampling"]["temperature"]
    held_out = count.suites.get(HELD_OUT, 0) if count.suites else count.answered
    written = f" and {count.answered - held_out} prompts that were written for this purpose" if count.answered > held_out else ""
    said = [
        f"{held_out} prompts from {count.conversations} held-out conversations{written} were answered. "
        "A share measured on so few replies can be off by chance; the 95% interval shows by how much.",
        f"Replies were written by {report.settings['engine']}. Likelihoods are of the weights before it rounds them.",
    ]
    there = held_out + count.unanswered + len(count.excluded)
    if there < count.asked:
        said.append(f"{count.asked} prompts were asked for. The test split has only {there} different ones.")
    if count.excluded:
        said.append(f"Prompts left out, because training has shown them already: {len(count.excluded)}. Report.json names them.")
    if count.unanswered:
        said.append(f"Prompts left out, because at least one of the models could not answer them: {count.unanswered}.")
    if count.shortened:
        said.append(
            f"Prompts whose oldest turns did not fit in the model's context, so that it did not see them: {count.shortened}."
        )
    if report.redacted:
        said.append(f"Transcripts that were taken out because a person in them was erased: {report.redacted}. The numbers stand.")
    said += never_seen(report.checks)
    return [
        *said,
        f"Each model gave one reply a prompt, drawn at temperature {temperature}. Another draw gives other replies.",
        "The held-out prompts come from the same source as the training data"
        f"{', the written ones from the makers of this program' if written else ''}. "
        "People who write differently, or in another language, are not covered.",
        "The checks are programs: they count marks, words and patterns. Whether a reply is kind, true and safe they cannot tell. "
        "A person who knows the field has to read the transcripts and judge.",
        "That nothing was found is no proof of privacy: texts that are said again in other words, or after other questions, "
        "are not seen.",
        "The likelihood says how closely the model follows the team's own answers. It does not say that those answers are good.",
    ]


def never_seen(checks: Sequence[CheckResult]) -> list[str]:
    """The rule of three: nothing seen in n replies still allows a true share of about 3/n."""
    clean: dict[int, list[str]] = {}
    for check in checks:
        if is_clean(check):
            clean.setdefault(check.n, []).append(check.title.lower())
    return [
        f"None of {n} replies showed: {', '.join(titles)}. That is not never: the true share may still be as high as about "
        f"{f'3/{n} = {per_cent(3 / n)}' if n > 3 else 'any share at all'}."
        for n, titles in sorted(clean.items())
    ]


def is_clean(check: CheckResult) -> bool:
    """A share of what must not be, and nothing of it was seen."""
    return check.value == 0 and check.direction == "lower" and check.blocking and check.unit == "share of replies"
