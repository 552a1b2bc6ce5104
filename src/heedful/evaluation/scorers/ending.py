"""Does a reply say anything, and does it come to an end of its own accord?"""

from heedful.evaluation.scorer import Answer, scorer


@scorer(
    title="Empty replies",
    meaning="Nothing was left to say, so the companion's stock sentence stood in. It must not happen.",
    flag="said nothing",
    unit="share of replies",
    direction="lower",
    limit=0.0,
    blocking=True,
)
def empty_replies(answer: Answer) -> bool:
    """No letter and no digit of the model's own."""
    return not any(character.isalnum() for character in answer.said)


@scorer(
    title="Replies that end by themselves",
    meaning="The model came to an end. The other replies were cut off at the length limit, often in mid-sentence.",
    flag="cut off at the length limit",
    unit="share of replies",
    direction="higher",
    limit=0.95,
    blocking=True,
)
def stop_rate(answer: Answer) -> bool:
    """The model gave its end-of-turn token."""
    return answer.reply.finish_reason == "stop"
