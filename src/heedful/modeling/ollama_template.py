"""A tokenizer's chat template in; the same format in Ollama's words (Go's text/template), proven on chats, out."""

from dataclasses import dataclass

from heedful.conversation import Message
from heedful.errors import ModelError
from heedful.modeling.chat_template import render_text
from heedful.modeling.protect import Tokenizer

# Words that no template writes by itself. Every chat begins with a system message, as the Modelfile has one: without it, some
# templates (Qwen2.5) write one of their own.
SYSTEM, QUESTION, ANSWER = "qsystemq", "qquestionq", "qanswerq"
HEAD = Message("system", "s")
TALK = (Message("user", "a"), Message("assistant", "b"), Message("user", "c\nd"), Message("assistant", "e"), Message("user", "f"))
CHATS = ((HEAD, *TALK[:1]), (HEAD, *TALK[:3]), (HEAD, *TALK))


@dataclass(frozen=True, slots=True)
class Format:
    """What stands before and behind a message of each role, and what opens the reply. The opening token of a text is not in it."""

    system: tuple[str, str]
    user: tuple[str, str]
    assistant: tuple[str, str]
    opening: str

    def write(self, messages: tuple[Message, ...]) -> str:
        sides = {"system": self.system, "user": self.user, "assistant": self.assistant}
        return "".join(f"{sides[m.role][0]}{m.content}{sides[m.role][1]}" for m in messages) + self.opening

    def in_go(self) -> str:
        def branch(condition: str, sides: tuple[str, str]) -> str:
            return f"{{{{ {condition} }}}}{sides[0]}{{{{ .Content }}}}{sides[1]}"

        roles = [("if", "system", self.system), ("else if", "user", self.user), ("else if", "assistant", self.assistant)]
        branches = "".join(branch(f'{word} eq .Role "{role}"', sides) for word, role, sides in roles)
        return f"{{{{ range .Messages }}}}{branches}{{{{ end }}}}{{{{ end }}}}{self.opening}"


def read_format(tokenizer: Tokenizer) -> Format:
    """Raises ModelError for a template that writes the same message in different ways."""
    first = opening_token(tokenizer)

    def written(*messages: Message, prompt: bool = True) -> str:
        return render_text(tokenizer, messages, prompt).removeprefix(first)

    system, user, assistant = Message("system", SYSTEM), Message("user", QUESTION), Message("assistant", ANSWER)
    try:
        head, behind_user = written(system, user, prompt=False).split(QUESTION)
        opening = written(system, user).split(QUESTION)[1].removeprefix(behind_user)
        behind_answer = written(system, user, assistant, prompt=False).split(ANSWER)[1]
        _, between, _ = written(system, user, assistant, user, prompt=False).split(QUESTION)
        before_answer, between = between.removeprefix(behind_user).split(ANSWER)
        before_user = between.removeprefix(behind_answer)
        before_system, behind_system = head.split(SYSTEM)
        found = Format(
            system=(before_system, behind_system.removesuffix(before_user)),
            user=(before_user, behind_user),
            assistant=(before_answer, behind_answer),
            opening=opening,
        )
        same = all(found.write(chat) == written(*chat) for chat in CHATS) and '"""' not in found.in_go()
    except ValueError:  # a message stands in it never, or twice
        same = False
    if not same:
        raise ModelError("the chat template cannot be said in Ollama's words", "export it with --to gguf: llama-server reads it")
    return found


def opening_token(tokenizer: Tokenizer) -> str:
    """What Ollama writes by itself before a text: the tokenizer's opening token, where it adds one."""
    opens = tokenizer.bos_token_id
    adds = opens is not None and list(tokenizer("a")["input_ids"])[:1] == [opens]
    return str(tokenizer.bos_token) if adds else ""
