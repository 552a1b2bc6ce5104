"""Web addresses: a person in need must be able to open every one that a reply names."""

from heedful.evaluation.scorer import Answer, scorer
from heedful.guards.reply.cleaning import BROKEN_URL
from heedful.guards.reply.urls import find_urls


@scorer(
    title="Broken web addresses",
    meaning="The reply names an address that is cut off or malformed, or had to go without the one that it was about to name.",
    flag="broken web address",
    unit="share of replies",
    direction="lower",
    limit=0.0,
    blocking=True,
)
def broken_urls(answer: Answer) -> bool:
    """A broken address in the clean reply, or one that cleaning took out: `you find help at` helps no more than half an address."""
    return BROKEN_URL in answer.reply.cleaned or not all(url.whole for url in find_urls(answer.reply.text))
