"""`heedful review`: what a rule held back in, shown one by one; a person's decision out, with a single key."""

import os
import shlex
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import typer
from rich.panel import Panel
from rich.text import Text

from heedful.cli.keystrokes import QUIT, read_key
from heedful.cli.options import HERE, Desk, JsonOption, WorkspaceOption, open_desk
from heedful.cli.output import Output, reporting
from heedful.conversation import Conversation
from heedful.dataset.review import words_of
from heedful.errors import ConfigError
from heedful.store.conversations import iterate_conversations
from heedful.store.reviews import Waiting, correct, count_reviews, decide_review, uncorrect, waiting
from heedful.store.schema import ReviewStatus
from heedful.workspace import staging

app = typer.Typer()

ACCEPT, EDIT, REJECT, SKIP, UNDO = "a", "e", "r", "s", "u"
KEYS = f"[{ACCEPT}]ccept  [{EDIT}]dit  [{REJECT}]eject  [{SKIP}]kip  [{UNDO}]ndo  [{QUIT}]uit"
DECISIONS: dict[str, ReviewStatus] = {ACCEPT: "accepted", REJECT: "rejected"}
EDITOR = "vi"


Corrections = dict[int, str | None]  # position -> what stands in place of the message; None: the message itself


@dataclass(slots=True)
class Sitting:
    """One pass through the queue. `done` are decisions that can be taken back, with the earlier correction of each position."""

    queue: Sequence[Waiting]
    place: int = 0
    done: list[tuple[int, Corrections]] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=lambda: {"accepted": 0, "edited": 0, "rejected": 0})


@app.command()
def review(workspace: WorkspaceOption = HERE, as_json: JsonOption = False) -> None:
    """Look at the conversations that a rule held back, and accept, edit or reject each with one key.

    An edit opens $VISUAL or $EDITOR; the conversation itself stays as it came. What is decided counts from the next dataset on, and
    is not asked again. With --json nothing is asked: it prints how many await a decision, by rule.

    Example: heedful review --json
    """
    with reporting(as_json) as output, open_desk(workspace) as desk:
        if not as_json:
            sit(output, desk)
        with desk.store.snapshot() as session:
            counted, shown = count_reviews(session), len(waiting(session))
        awaiting = sum(rule.get("awaiting", 0) for rule in counted.values())
        tell(output, awaiting, shown)
        output.result({"awaiting": awaiting, "may_be_read": shown, "rules": counted})


def sit(output: Output, desk: Desk) -> None:
    with desk.store.snapshot() as session:
        sitting = Sitting(waiting(session))
    while sitting.place < len(sitting.queue):
        item = sitting.queue[sitting.place]
        show(output, desk, sitting, item)
        key = read_key((ACCEPT, EDIT, REJECT, SKIP, UNDO, QUIT))
        if key == QUIT:
            break
        act(output, desk, sitting, item, key)
    if sum(sitting.counts.values()):
        output.say(", ".join(f"{status} {count}" for status, count in sitting.counts.items()) + "; next: heedful dataset build")


def tell(output: Output, awaiting: int, shown: int) -> None:
    if awaiting > shown:
        output.say(f"{awaiting - shown} more wait, but their persons did not allow a review; see: heedful consent grant --help")
    output.say(f"{shown} left to decide" if shown else "nothing left to decide; heedful dataset build looks for more")


def act(output: Output, desk: Desk, sitting: Sitting, item: Waiting, key: str) -> None:
    if key == UNDO:
        take_back(output, desk, sitting)
    elif key == SKIP:
        sitting.place += 1
    elif key in DECISIONS:
        keep(desk, sitting, item, DECISIONS[key], {})
    else:
        texts = edited(desk, item)
        if texts:
            keep(desk, sitting, item, "edited", texts)
        else:
            output.say("nothing was changed, so nothing is decided")


def keep(desk: Desk, sitting: Sitting, item: Waiting, status: ReviewStatus, texts: dict[int, str]) -> None:
    before = corrections(desk, item, texts)
    with desk.store.session() as session:
        decide_review(session, item.id, status, desk.actor)
        correct(session, item.conversation, texts)
    sitting.done.append((sitting.place, before))
    sitting.counts[status] += 1
    sitting.place += 1


def take_back(output: Output, desk: Desk, sitting: Sitting) -> None:
    """The last decision of this sitting; its item is shown again."""
    if not sitting.done:
        output.say("there is nothing to undo")
        return
    place, before = sitting.done.pop()
    item = sitting.queue[place]
    with desk.store.session() as session:
        status = decide_review(session, item.id, "awaiting", desk.actor)
        uncorrect(session, item.conversation, list(before))
        correct(session, item.conversation, {position: text for position, text in before.items() if text is not None})
    sitting.counts[status] -= 1
    sitting.place = place


def read(desk: Desk, item: Waiting, corrected: bool = True) -> Conversation:
    """As it stands now, or as it came."""
    with desk.store.snapshot() as session:
        return next(one.conversation for one in iterate_conversations(session, [item.conversation], corrected))


def corrections(desk: Desk, item: Waiting, positions: Iterable[int]) -> Corrections:
    came, stands = read(desk, item, corrected=False).messages, read(desk, item).messages
    return {n: None if came[n] == stands[n] else stands[n].content for n in positions}


def show(output: Output, desk: Desk, sitting: Sitting, item: Waiting) -> None:
    body = Text()
    for position, message in enumerate(read(desk, item).messages):
        if message.role == "system":
            continue
        body.append("Person\n" if message.role == "user" else "Answer\n", style="bold")
        text = Text(message.content)
        for where, start, end in item.spans:
            if where == position:
                text.stylize("black on yellow", start, end)
        body.append_text(text).append("\n\n")
    title = f"{sitting.place + 1} of {len(sitting.queue)}: {words_of(item.rule)} ({item.rule})"
    panel = Panel(body, title=Text(title), title_align="left", subtitle=Text(KEYS), subtitle_align="left")
    output.stdout.print(panel, soft_wrap=False)  # a panel does not grow with its lines: they would be cut


def edited(desk: Desk, item: Waiting) -> dict[int, str]:
    """Position -> new text, of the answers that met the rule and came back changed. An empty text changes nothing."""
    messages = read(desk, item).messages
    met = sorted({position for position, _, _ in item.spans}) or [n for n, m in enumerate(messages) if m.role == "assistant"]
    found = {position: ask_editor(desk, messages[position].content) for position in met}
    return {position: text for position, text in found.items() if text and text != messages[position].content}


def ask_editor(desk: Desk, text: str) -> str:
    """The text as the editor leaves it. It lies in a directory of its own inside the workspace, which is removed at once."""
    command = os.environ.get("VISUAL", os.environ.get("EDITOR", EDITOR))
    with staging(desk.workspace.datasets) as folder:
        folder.chmod(0o700)
        path = Path(folder) / "answer.txt"
        path.write_text(text + "\n", encoding="utf-8")
        try:
            subprocess.run([*shlex.split(command), str(path)], check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise ConfigError(f"the editor {command!r} did not end well: {error}", "set EDITOR, such as EDITOR=nano") from None
        return path.read_text(encoding="utf-8").removesuffix("\n")
