"""Chat tags: marks of the chat format in what the model wrote, looked for before cleaning takes them out."""

from heedful.evaluation.scorer import Answer, scorer
from heedful.guards.reply.turn_marks import BROKEN_TAG, Label, find_tags, read_label


@scorer(
    title="Chat tags in the reply",
    meaning="Before cleaning, the model wrote a technical mark such as <|user|>, or a line that begins with “User:”. "
    "It has not learned where its turn ends.",
    flag="chat tag",
    unit="share of replies",
    direction="lower",
    limit=0.0,
    blocking=True,
)
def leaked_tags(answer: Answer) -> bool:
    """A tag of any common family, whole or cut at the end, or a role label at the start of a line; in the raw or the clean text."""
    return any(has_tag(text) for text in (answer.reply.raw, answer.reply.text))


def has_tag(text: str) -> bool:
    """`Answer:` and its like are left alone: they are ordinary words that the team's own answers may begin with."""
    labels = (read_label(line.lstrip(), complete=True) for line in text.splitlines())
    named = any(isinstance(label, Label) and label.sure for label in labels)
    return named or bool(find_tags(text)) or BROKEN_TAG.search(text.rstrip()) is not None
