"""Examples: a conversation of the team in; the same as a turn with documents has it, its answer with citations, out. For a dataset.

Look-up, quotations and their place in the prompt are those of service, and the numbers are put into the answer by the same rule as
into a reply (`knowledge.attributing`). So a model learns from what it will see. Three things differ, so that it learns to read and
not to count: passages stand in an order that is drawn, the one that supports the answer is taken along from further down the
ranking, and of some examples all that support it are left out, with an answer that cites nothing.
"""

import random
from collections.abc import Sequence

from heedful.companion.retrieving import Wanted, with_sources
from heedful.conversation import Conversation, Message
from heedful.dataset.grounding import Ground, Grounded
from heedful.knowledge.attributing import Attributions
from heedful.knowledge.citing import CITATION, quote
from heedful.knowledge.retrieval import Passage, search_chat
from heedful.knowledge.support import SUPPORT, attribute_to
from heedful.workspace import Workspace

FURTHER = 2  # times as many passages as a turn shows are looked at
WITHOUT = 0.2  # share of the examples from which all that support the answer is left out


def ground_in(workspace: Workspace, wanted: Wanted, seed: int) -> Ground:
    """The same conversation, documents and seed give the same example. It raises KnowledgeError where nothing can be looked up."""

    def ground(conversation: Conversation) -> Grounded:
        *asked, answer = up_to_longest_answer(conversation)
        found = search_chat(workspace, asked, FURTHER * wanted.passages, wanted.collections, wanted.floor)
        if not found:
            return Grounded("nothing_found")
        floor = SUPPORT if wanted.support is None else wanted.support
        said = CITATION.sub("", answer.content)
        support = [one for one in found if annotate(said, [one], floor)[1]]
        if not support:
            return Grounded("unsupported")
        others = [one for one in found if one not in support]
        drawn = random.Random(f"{seed}\n{conversation.fingerprint()}")
        if drawn.random() < WITHOUT:
            return show(asked, said, others, None, wanted, drawn) if others else Grounded("no_other")
        rest = [one for one in found if one is not support[0]]
        return show(asked, said, [support[0], *rest], floor, wanted, drawn)

    return ground


def show(
    asked: Sequence[Message], said: str, passages: Sequence[Passage], floor: float | None, wanted: Wanted, drawn: random.Random
) -> Grounded:
    """The first are kept, as many as a turn shows and has room for, in an order that is drawn. Without a floor nothing is cited."""
    kept = list(quote(passages[: wanted.passages], wanted.count, wanted.room).passages)
    drawn.shuffle(kept)
    text, numbers = (said, set()) if floor is None else annotate(said, kept, floor)
    if not kept or (floor is not None and not numbers):
        return Grounded("no_room")
    messages = (*with_sources(asked, quote(kept)), Message("assistant", text))
    documents = tuple(sorted({one.document_id for one in kept}))
    return Grounded("uncited" if floor is None else "cited", Conversation(messages), documents)


def annotate(said: str, passages: Sequence[Passage], floor: float) -> tuple[str, set[int]]:
    """An answer with the numbers of the passages that support its sentences, and these numbers."""
    attributions = Attributions(attribute_to(passages, floor))
    text = attributions.feed(said) + attributions.finish()
    return text, attributions.numbers


def up_to_longest_answer(conversation: Conversation) -> list[Message]:
    """It ends with the answer that says most; where several are as long, with the first of them."""
    spoken = conversation.messages
    places = [place for place, message in enumerate(spoken) if message.role == "assistant"]
    last = max(places, key=lambda place: (len(spoken[place].content), -place))
    return list(spoken[: last + 1])
