"""The public door of the crisis guard: messages in, CrisisAssessment out."""

from collections.abc import Mapping, Sequence

from heedful.conversation import Message
from heedful.guards.crisis.assess import CrisisAssessment, Judge, assess_messages
from heedful.guards.crisis.classifier import load_classifier


def assess_crisis(
    messages: Sequence[Message | Mapping[str, str]], judge: Judge | None = None, classifier: bool = True
) -> CrisisAssessment:
    """How great the danger is at the last message of the person (role `user`).

    `messages` are Message values or dictionaries with role and content. `judge`, where given, is a model's own yes or no;
    `classifier` false leaves the rules alone.
    """
    return assess_messages(messages, load_classifier() if classifier else None, judge)
