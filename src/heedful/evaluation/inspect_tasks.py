"""Inspect tasks: a written suite in; a task of UK AISI's Inspect out, that any OpenAI-compatible endpoint can be put to.

    pip install 'heedful[inspect]'
    LOCAL_BASE_URL=http://127.0.0.1:8017/v1 LOCAL_API_KEY=none inspect eval heedful/crisis --model openai-api/local/champion

Inspect asks and keeps the log; the scorers are ours, each under its own name. Scorers that compare replies with one another are
left out, for Inspect scores one sample at a time. A foreign endpoint has no guard of ours: `crisis_answered` then says whether the
reply is the crisis template, and `crisis_words` is the one to read.
"""

from typing import Any

from heedful.companion.guarding import GuardTrace
from heedful.companion.trace import Trace
from heedful.companion.turn import Reply
from heedful.conversation import Message
from heedful.errors import EvaluationError
from heedful.evaluation.prompts import Prompt
from heedful.evaluation.scorer import Answer, Scorer, score_all
from heedful.evaluation.scorers import SCORERS
from heedful.evaluation.suites import load_suite, suite_names
from heedful.guards.responses import is_response

try:
    from inspect_ai import Task, task
    from inspect_ai.dataset import MemoryDataset, Sample
    from inspect_ai.model import ChatMessageAssistant, ChatMessageUser
    from inspect_ai.scorer import Score, Target, mean, scorer, stderr
    from inspect_ai.solver import TaskState, generate
except ImportError:
    raise EvaluationError("inspect-ai is not installed", "pip install 'heedful[inspect]'") from None


def to_sample(prompt: Prompt) -> "Sample":
    """The id finds the prompt again when its reply is scored."""
    roles = {"user": ChatMessageUser, "assistant": ChatMessageAssistant}
    turns: list[Any] = [roles[message.role](content=message.content) for message in prompt.messages]
    return Sample(input=turns, id=prompt.id, metadata={"suite": prompt.suite, "kind": prompt.kind})


def to_answer(prompt: Prompt, text: str, cut: bool) -> Answer:
    """What came over the wire is all that is known: the raw words are the ones that were read."""
    trace = GuardTrace(tier="active", answered=True) if is_response(Message("assistant", text)) else GuardTrace()
    return Answer(prompt, Reply(text, "length" if cut else "stop", 0, 0, text, (), trace=Trace(guard=trace)))


def to_scorer(known: Scorer, prompts: dict[str, Prompt]) -> Any:
    """One of ours as one of Inspect's; a sample that it does not read is not scored."""

    def made() -> Any:
        async def score(state: TaskState, target: Target) -> Score | None:
            prompt = prompts[str(state.sample_id)]
            answer = to_answer(prompt, state.output.completion, state.output.stop_reason == "max_tokens")
            found = score_all(known, [answer])[0]
            return None if found is None else Score(value=float(found), answer=answer.reply.text)

        return score

    return scorer(metrics=[mean(), stderr()], name=known.check.name)(made)()


def to_task(name: str) -> "Task":
    prompts = {prompt.id: prompt for prompt in load_suite(name).prompts}
    reading = [known for known in SCORERS if not known.together and any(map(known.reads, prompts.values()))]
    return Task(
        dataset=MemoryDataset([to_sample(prompt) for prompt in prompts.values()], name=name),
        solver=generate(),
        scorer=[to_scorer(known, prompts) for known in reading],
        name=name,
    )


def declare(name: str) -> Any:
    """Inspect finds a task by the name of a decorated function."""

    def made() -> "Task":
        return to_task(name)

    made.__name__ = made.__qualname__ = name
    made.__module__ = __name__
    return task(made, name=name)


for _name in suite_names():
    globals()[_name] = declare(_name)
