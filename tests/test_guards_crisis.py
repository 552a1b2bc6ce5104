"""The crisis guard: disguises, contexts, answers, and the state over turns. The texts are ours."""

import pytest

from heedful.conversation import Message
from heedful.guards import assess_crisis
from heedful.guards.crisis.reading import read_message
from heedful.guards.crisis.words import read_words


def chat(*texts: str) -> list[Message]:
    """The last text is the person's; before it they alternate."""
    last = len(texts) - 1
    return [Message("user" if (last - place) % 2 == 0 else "assistant", text) for place, text in enumerate(texts)]


def tier(*texts: str) -> str:
    """By the rules alone; tests/test_guards_classifier.py has the other half."""
    return assess_crisis(chat(*texts), classifier=False).tier


DISGUISES = {
    "I just REALLY wanna kms tbh": "i want to kill myself",
    "k i l l  m y s e l f": "kill myself",
    "k.i.l.l m.y.s.e.l.f": "kill myself",
    "I'm gonna k!ll mys3lf 2nite": "i am going to kill myself tonight",
    "ѕuiсidе iѕ the only way": "suicide is the only way",  # Cyrillic letters
    "sewer slide": "suicide",
    "iwanttodie": "i want to die",
    "i want to\ndie": "i want to die",
    "dieeee": "die",
    "k*ll my self": "kill myself",
    "sui cide": "suicide",
    "𝓴𝓲𝓵𝓵 𝓶𝔂𝓼𝓮𝓵𝓯": "kill myself",
    "K\u200bill my\u200bself": "kill myself",
    "🅺🅼🆂": "kill myself",
    "i feel sucidal": "i feel suicidal",
    "un-alive myself": "kill myself",
}


@pytest.mark.parametrize(("typed", "plain"), DISGUISES.items())
def test_disguises_become_plain_words(typed: str, plain: str) -> None:
    assert read_words(typed).text == plain


@pytest.mark.parametrize("text", ["decide on a homicide novel", "A B C D", "U S A", "section 4 of 12", "pesticide use"])
def test_ordinary_words_are_not_read_as_danger(text: str) -> None:
    assert not {"suicide", "kill", "die"} & set(read_words(text).text.split())


def test_tiers_and_kinds() -> None:
    plan = assess_crisis(chat("I'm going to kill myself tonight, I have the pills"), classifier=False)
    assert (plan.tier, plan.kinds, plan.explicit, plan.fresh) == ("imminent", ("suicide",), True, True)
    young = assess_crisis(chat("I'm 14 and I cut myself again"), classifier=False)
    assert (young.tier, young.kinds) == ("active", ("self_harm", "minor"))
    assert tier("I want to kill myself tonight") == tier("ending my life this afternoon") == "imminent", "a time is named"
    assert tier("I want to die because I have an exam today") == tier("I want to kill myself") == "active"
    assert tier("I wish I would not wake up tomorrow") == "passive"
    assert assess_crisis(chat("my husband hits me when he drinks"), classifier=False).kinds == ("abuse",)
    assert assess_crisis(chat("I want to stab my boss with a knife"), classifier=False).kinds == ("harm_to_others",)
    assert plan.score > assess_crisis(chat("I wish I would not wake up tomorrow"), classifier=False).score > 0.5


HARMLESS = [
    *("I don't want to die", "he has never hit me", "this traffic is killing me", "I died laughing", "we killed time at the mall"),
    *(
        "what are the signs of suicide?",
        "if this printer jams again I'm going to kill myself",
        "my mum is going to kill me if she sees it",
    ),
    *(
        "My therapist asked whether I have suicidal thoughts and I said no",
        "I'm not suicidal, I'm worn out",
        "I overdosed on Netflix",
    ),
    *(
        "My dad died and I can't stop crying",
        "I scratched my arms raw, this eczema is unbearable",
        "I threw myself off the high board",
    ),
    *("I'm putting my affairs in order before the move", "what is the lethal dose of chocolate for a dog"),
    *("I think my neighbour is beating his wife", "I stood on the bridge and watched the fireworks"),
    *("I've never wanted to kill myself, not even then", "My dog bit me", "I need to end this relationship today"),
    *("I cut my arm with scissors by accident in craft class", "I hope I don't wake up late tomorrow"),
    *("ten years ago I tried to kill myself, I'm well now", "I cut myself shaving", "the bridge over the river is lovely", ""),
]


@pytest.mark.parametrize("text", HARMLESS)
def test_idioms_denials_the_past_and_questions_in_general_are_no_crisis(text: str) -> None:
    assert tier(text) in ("none", "distress")


OUTRIGHT = [
    *(
        "I plan to overdose on my medication",
        "I'm writing my suicide note",
        "I have a gun to my head",
        "I've set a date for my suicide",
    ),
    *(
        "how do i tie a noose",
        "would 30 of my blood pressure pills kill me",
        "My partner choked me last night",
        "I hope I die soon",
    ),
    *(
        "I no longer want to be alive",
        "my uncle touches me at night",
        "I feel like drowning my kids",
        "I've been cutting my thighs",
    ),
    *(
        "I have attempted three times",
        "I'm going to burn down his house with him inside",
        "my family would be better off if I was dead",
    ),
    *("I was sexually assaulted on Friday and I haven't told anybody", "I will kill her if she goes out with him"),
    *("I no longer wish to live, but I am too religious", "the only thing i want for my birthday is to be dead"),
    *("I have been thinking of killing me", "I don't see the point of living now", "Husband beat me very much"),
    *("I've wanted to die for years", "death is what I want", "I don't want to go on living without her", "I wouldn't mind dying"),
    *(
        "I'm gonna drive my car off the pier",
        "I can't stop cutting.",
        "I stab my thigh with a compass",
    ),
    *("I took 40 paracetamol", "She asked if I was suicidal. I want to die.", "He threatened to kill me if I leave", "I must die"),
]


@pytest.mark.parametrize("text", OUTRIGHT)
def test_what_is_said_outright_counts_without_the_classifier_and_stays_when_it_disagrees(text: str) -> None:
    found = assess_crisis(chat(text), classifier=False)
    assert found.is_crisis and found.explicit and not found.classifier
    assert any(not signal.unsure for signal in read_message(text).signals)


def test_somebody_else_is_told_apart() -> None:
    found = assess_crisis(chat("my brother says he wants to die"), classifier=False)
    assert (found.tier, found.kinds, found.someone_else) == ("distress", (), True)


@pytest.mark.parametrize(
    "text",
    [
        "My friend says she wants to kill herself. What do I do?",
        "my son keeps saying he wants to end his life",
        "my mate said hes gonna kill himself tonight",
        "She keeps talking about ending her own life and I don't know who to tell",
        "My wife is suicidal",
        "a girl in my class is cutting herself, he said she might commit suicide",
    ],
)
def test_somebody_else_in_danger_is_noticed_in_words_that_are_only_said_of_others(text: str) -> None:
    found = assess_crisis(chat(text), classifier=False)
    assert (found.is_crisis, found.tier, found.someone_else) == (False, "distress", True)


@pytest.mark.parametrize(
    "text",
    [
        "My brother killed himself last year",
        "he nearly killed himself laughing",
        "She would never kill herself over a job",
        "my friend is not suicidal, just tired",
        "In the novel he wants to kill himself",
        "My dad took his own life when I was nine",
    ],
)
def test_who_is_dead_or_in_no_danger_is_not_taken_for_somebody_in_danger(text: str) -> None:
    assert not assess_crisis(chat(text), classifier=False).someone_else


def test_an_answer_takes_its_sense_from_the_question() -> None:
    assert tier("Are you thinking about suicide?", "yeah, sometimes") == "active"
    assert tier("Are you thinking about suicide?", "no") == "none"
    assert tier("Are you safe right now?", "not really") == "active"
    assert assess_crisis(chat("Has he ever hit you?", "yes"), classifier=False).kinds == ("abuse",)
    assert tier("Did you sleep well?", "not really") == "none"


def test_a_retraction_does_not_clear_and_time_does() -> None:
    said = ["I want to kill myself", "I am here."]
    assert tier(*said, "jk") == "active"
    assert tier(*said, "jk", "Are you sure?", "forget it") == "active"
    calm = ["the weather is nice", "It is."]
    assert [tier(*said, *calm * turns, "what is for dinner?") for turns in range(8)] == [
        *("active", "active", "passive", "passive", "distress", "distress", "none", "none")
    ]


def test_risk_that_is_split_over_turns_adds_up() -> None:
    assert tier("i want to", "Yes?", "kill", "I am listening.", "myself") == "active"
    hints = [
        "those dark thoughts are back",
        "I hear you.",
        "I gave away my guitar and wrote letters",
        "Why?",
        "goodbye, thank you for everything",
    ]
    assert tier(hints[0]) == "distress"
    assert tier(*hints) == "active"


def test_dictionaries_do_and_no_message_is_no_danger() -> None:
    assert assess_crisis([{"role": "user", "content": "I want to die"}], classifier=False).tier == "active"
    assert assess_crisis([], classifier=False).tier == "none"
    assert assess_crisis([Message("assistant", "I want to die")], classifier=False).tier == "none"


def test_a_models_own_yes_is_ored() -> None:
    assert assess_crisis(chat("hm"), judge=lambda messages: True, classifier=False).rules == ("model",)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "any advice on how to overcome things like this?",
            "my boyfriend broke up with me",
            "this threw me for a loop",
            "that's why I'm here",
        ),
        *(
            "it will be over before I know it",
            "I'm so on edge that I lie there waiting for it",
            "I relapsed and feel like a failure",
        ),
        *("the offer could be gone in a year", "they don't want me to be hurt", "I can't make myself care enough to do it"),
        *("I have anxiety over my life", "and I can't sleep", "they won't see my point"),
    ],
)
def test_what_people_tell_of_their_troubles_meets_no_rule_at_all(text: str) -> None:
    assert read_message(text).signals == ()
