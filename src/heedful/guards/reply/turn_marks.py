"""Marks of a chat format in plain text: control tags such as `<|im_end|>` and role labels such as `User:`. A text in, the mark out.

Both readers may be asked before all text has arrived. They answer from what cannot change any more, or say PENDING.
"""

import re
from dataclasses import dataclass
from enum import Enum, auto

from heedful.guards.reply.urls import UNSPACED

HALF_CHARACTER = "\ufffd"  # what a decoder leaves of bytes that are no character

# No tag holds white space, a bracket of another tag, or an unspaced character: so a tag never spans what is cleaned as two words.
# A half character is read like a tag without meaning.
MARK = re.compile(
    rf"""
      <[|｜][^\s<>\[\]{HALF_CHARACTER}{UNSPACED}]{{1,64}}[|｜]>                          # ChatML, Llama 3, Phi, Zephyr, DeepSeek
    | \[\|\w{{1,40}}\|\]                                                               # EXAONE
    | <</?SYS>> | </?(?:s|sop|eop|eoh|eoa|eod|bos|eos|pad|unk|cls|sep|mask)>           # Llama 2 and the classics
    | <(?:start|end)_of_(?:turn|text|role|utterance)>                                  # Gemma
    | <(?:unused|reserved_?|extra_id_)\d{{1,4}}>
    | </?think(?:ing)?>
    | \[/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|gMASK|CLS|SEP|PAD|UNK|MASK)\]
    | {HALF_CHARACTER}
    """,
    re.VERBOSE | re.IGNORECASE,
)
BROKEN_TAG = re.compile(r"(?:<[|｜]\S*|\[/?INST?|</?(?:start|end)_of_\w*)$", re.IGNORECASE)


class TagKind(Enum):
    """What a tag means for the reply it stands in."""

    NOISE = auto()  # padding and the like
    THOUGHT = auto()  # hidden reasoning begins
    THOUGHT_ENDS = auto()
    ROLE_NEXT = auto()  # a turn begins; the next word says whose
    OTHER = auto()  # a turn of somebody else begins
    BOUNDARY = auto()  # a turn of the assistant begins or ends


KINDS = (
    (TagKind.NOISE, re.compile(r"pad|unk|g?mask|cls|sep|unused\d*|reserved\w*|extra_id_\d+")),
    (TagKind.THOUGHT, re.compile(r"think(?:ing)?")),
    (TagKind.THOUGHT_ENDS, re.compile(r"/think(?:ing)?")),
    (TagKind.ROLE_NEXT, re.compile(r"im_start|start_of_turn|start_of_role|start_header_id|header_start")),
    (TagKind.OTHER, re.compile(r"(?!/)(?!.*assistant).*(?:user|human|patient|client|sys|prompter|tool|function|inst).*")),
)


def tag_kind(tag: str) -> TagKind:
    name = re.sub(r"[^\w/]", "", tag).lower()
    return next((kind for kind, pattern in KINDS if pattern.fullmatch(name)), TagKind.BOUNDARY)


def find_tags(text: str) -> list[str]:
    """All chat tags in a text, in order, as they are written."""
    return [match[0] for match in MARK.finditer(text) if match[0] != HALF_CHARACTER]


OTHER_ROLES = frozenset({"user", "human", "patient", "client", "customer", "caller", "system"})
OTHER_ROLES_IN_TAGS = OTHER_ROLES | {"tool", "developer", "ipython", "environment", "function"}
OWN_ROLES = frozenset({"assistant", "ai", "bot", "chatbot", "companion", "therapist", "counselor", "counsellor"})
OWN_ROLES_IN_TAGS = OWN_ROLES | {"model", "gpt"}
# Ordinary words too: a role only after ### (Alpaca and kin); of the assistant's, also as the first word of a reply.
OTHER_HEADINGS = frozenset({"instruction", "input", "question"})
OWN_HEADINGS = frozenset({"response", "answer", "reply", "output"})
ROLES = OTHER_ROLES | OWN_ROLES | OTHER_HEADINGS | OWN_HEADINGS

HEAD = re.compile(r"(?P<before>(?:[>#]+[ \t]*)?[*_(\[]*)(?P<name>[^\W\d_]*)(?P<after>[)\]*_]*[ \t]*)")


@dataclass(frozen=True, slots=True)
class Label:
    """A role label that ends at `end`. `own`: the assistant's. `sure`: it cannot be an ordinary word before a colon."""

    end: int
    own: bool
    sure: bool


class Pending(Enum):
    """More text is needed to tell."""

    PENDING = auto()


PENDING = Pending.PENDING


def read_label(line: str, complete: bool) -> Label | Pending | None:
    """The role label that `line` begins with: `User:`, `**Therapist:**`, `[Patient]:`, `### Human`.

    `complete` says that no more text comes.
    """
    head = HEAD.match(line)
    assert head is not None, "every part of HEAD may be empty"
    name, rest = head["name"].lower(), line[head.end() :]
    if not rest and not complete:
        could_be = name in ROLES if head["after"] else any(role.startswith(name) for role in ROLES)
        return PENDING if could_be else None
    if name not in ROLES:
        return None
    heading = "#" in head["before"]
    own, sure = name in OWN_ROLES | OWN_HEADINGS, heading or name in OTHER_ROLES | OWN_ROLES
    if rest.startswith((":", "：")):
        closing = len(rest[1:]) - len(rest[1:].lstrip("*_"))
        end = head.end() + 1 + closing
        return PENDING if end == len(line) and not complete else Label(end, own, sure)
    ends_here = not rest or rest.startswith(("\n", "\r", "<", "["))
    return Label(head.end(), own, sure) if heading and ends_here else None
