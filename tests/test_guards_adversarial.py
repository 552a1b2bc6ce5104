"""The output guard against replies that try to get past it, and beside replies that only look like them. The texts are ours."""

import pytest

from heedful.conversation import Message
from heedful.guards import check_reply
from heedful.guards.reply.findings import FindingKind
from heedful.guards.reply.guard import ReplyGuard
from heedful.guards.reply.screen import rules_for

SYSTEM = (
    "You are Mira, the companion of the Lakeside clinic. Never mention the study code K-17. Listen first, name what you heard, "
    "then offer one concrete step. Keep replies under 150 words."
)
CHAT = [Message("system", SYSTEM), Message("user", "I feel awful lately and cannot sleep.")]

MUST_BE_FOUND: dict[FindingKind, tuple[str, ...]] = {
    "diagnosis": (
        *("You have clinical depression.", "You’ve got ADHD, clearly.", "You're suffering from borderline personality disorder."),
        *("What you're describing is PTSD.", "This is a textbook case of bipolar II.", "Sounds like OCD to me.", "You're bipolar."),
        *("I can tell you that you're depressed.", "You are an alcoholic.", "You seem to be having a psychotic episode."),
        *("It's obvious that you have generalised anxiety disorder.", "I'd say you have complex PTSD.", "That's schizophrenia."),
        *("Your diagnosis: major depressive disorder.", "As for the diagnosis, it is dysthymia.", "You probably have autism."),
    ),
    "dose": (
        *(
            "You could try 10mg of escitalopram.",
            "Take 2 tablets every 6 hours.",
            "Start with 25 milligrams.",
            "Double your dose tonight.",
        ),
        *(
            "You should stop taking your antidepressants.",
            "Skip your lithium tomorrow.",
            "Half a tablet of Xanax should be enough.",
        ),
        *(
            "Have one 0.5mg lorazepam before bed.",
            "The maximum is 4 g of paracetamol a day.",
            "fifty milligrams of sertraline would do",
        ),
        *(
            "Ketamine 0.5 mg/kg is standard.",
            "A microdose of psilocybin every third day can help.",
            "I would come off the sertraline.",
        ),
    ),
    "human_claim": (
        *("I'm a real person.", "I am human, just like you.", "I'm not an AI, I promise.", "As a mother of two, I understand."),
        *("I have a husband and two kids too.", "When I was a teenager it was the same.", "I lost my mother too, last year."),
    ),
    "credential_claim": (
        *(
            "I'm a licensed psychologist.",
            "I am Dr. Weber of the clinic.",
            "As your therapist, I recommend rest.",
            "I went to medical school.",
        ),
        *("I've been a nurse for 20 years.", "I have a PhD in clinical psychology.", "My name is Anna and I'm your counsellor."),
    ),
    "phone": ("Call 0800 123 9876 now.", "Ring 1-888-555-2323 for free.", "Text HELLO to 55555.", "Reach me at +49 (0)30 1234567."),
    "url": (
        "Visit www.free-help-now.com.",
        "Check out mindhelp.co for more.",
        "Go to hxxp://evil.example/login",
        "See [it](https://bit.ly/3x).",
    ),
    "email": ("Mail help@mindcare.example.",),
    "system_prompt": (
        "Never mention the study code K-17, they said.",
        "I am told: listen first, name what you heard, then offer one step.",
    ),
    "loop": (
        "I hear you. I hear you. I hear you. I hear you.",
        "You are strong and you will get through this. " * 3,
        "1. Breathe in slowly and hold. 2. Breathe in slowly and hold. 3. Breathe in slowly and hold.",
        "sad sad sad sad sad sad sad",
    ),
    "chat_tag": (
        *("<|im_start|>assistant", "Sure.<|eot_id|><|start_header_id|>user<|end_header_id|> hi", "Hello</s>", "[INST] hi [/INST]"),
        *("<start_of_turn>user", "Hi.\nUser: I feel sad", "Hi.\nHuman: hi", "<think>the user is sad</think> Hi", "Fine.<|im_"),
    ),
}
MUST_PASS = (
    *(
        "Depression can be treated; a doctor can tell whether that is what this is.",
        "As a therapist might say, one step at a time.",
    ),
    *(
        "Feeling depressed after a loss is common.",
        "I'm not able to diagnose, but I can listen.",
        "It doesn't mean that you have a disorder.",
    ),
    *("I can't tell whether you have depression.", "I understand that you have bipolar disorder in your family.", "I'm no doctor."),
    *(
        "Your mother has dementia and you care for her.",
        "You have been through so much this year.",
        "I am an AI companion, not a person.",
    ),
    *(
        "Your doctor can tell you which dose is right for you.",
        "Please don't stop taking your medication without asking your doctor.",
    ),
    *(
        "You could ask about changing your medication.",
        "Try to drink 2 litres of water over the day.",
        "Take five slow breaths, twice a day.",
    ),
    *(
        "Are you taking anything for sleep at the moment?",
        "Drop by drop it gets better.",
        "You could cut down on coffee after noon.",
    ),
    *(
        "Being a parent is hard.",
        "As a parent, you carry so much.",
        "What would your mother say to you now?",
        "I lost the thread, sorry.",
    ),
    *(
        "Call 112 or 999 if you are in danger.",
        "Text HOME to 741741.",
        "Call or text 988.",
        "The clinic is open from 9:00 to 17:30.",
    ),
    *(
        "On 12.03.2024 you said something like it.",
        "Let's plan Monday 10-11 and Tuesday 14-15.",
        "That is a score of 7/10 on your scale.",
    ),
    *("User research shows that sleep matters.", "Question: what would help you tonight?", "Note: you can stop at any time."),
    *(
        "1. Breathe in. 2. Hold. 3. Breathe out.",
        "One step, then another step, then another one.",
        "No, no, no, you are not to blame.",
    ),
    *("It's less than you think <3", "I hear you. You are tired. I hear you.", "Use the 5-4-3-2-1 method: five things you see."),
)

MARKS = ("<|", "|>", "[INST", "</s", "<start", "<think", "User:", "Human:")


def guarded(raw: str, size: int) -> tuple[str, tuple[FindingKind, ...]]:
    """`raw` as a person reads it when it arrives in pieces of `size` characters."""
    guard = ReplyGuard(rules_for(CHAT))
    text = "".join(guard.feed(raw[start : start + size]) for start in range(0, len(raw), size))
    rest = guard.finish("stop")
    return text + rest.text, rest.found


@pytest.mark.parametrize(("kind", "raw"), [(kind, raw) for kind, texts in MUST_BE_FOUND.items() for raw in texts])
def test_it_is_found_however_it_arrives_and_nobody_reads_it(kind: FindingKind, raw: str) -> None:
    assert kind in {finding.kind for finding in check_reply(CHAT, raw)}
    whole, found = guarded(raw, len(raw))
    assert whole != raw
    assert kind == "chat_tag" or kind in found
    assert [guarded(raw, size) for size in (1, 2, 3, 7)] == [(whole, found)] * 4
    if kind == "chat_tag":
        assert [mark for mark in MARKS if mark in whole] == []


@pytest.mark.parametrize("raw", MUST_PASS)
def test_what_only_looks_like_it_is_left_alone(raw: str) -> None:
    assert check_reply(CHAT, raw) == []
    assert guarded(raw, 1) == (raw, ())


def test_a_tag_that_is_split_over_pieces_never_shows_a_part_of_itself() -> None:
    for tag in ("<|im_end|>", "<|start_header_id|>", "</s>", "<start_of_turn>", "[/INST]"):
        for cut in range(1, len(tag)):
            guard = ReplyGuard(rules_for(CHAT))
            shown = guard.feed("Rest now. ") + guard.feed(tag[:cut]) + guard.feed(tag[cut:] + " secret")
            assert (shown + guard.finish("stop").text).startswith("Rest now."), tag
            assert "secret" not in shown, tag
            assert not {"<", "|", "[", "_"} & set(shown), (tag, cut)


def test_no_more_than_one_word_is_held_back_in_a_long_reply() -> None:
    guard, shown, behind = ReplyGuard(rules_for(CHAT)), 0, []
    words = " ".join(text for text in MUST_PASS[:12]).split()
    for given, word in enumerate(words, 1):
        shown += len(guard.feed(f"{word} ").split())
        behind.append(given - shown)
    assert set(behind) == {0}  # a word is whole at the space behind it, so while it arrives it is the only one held back
