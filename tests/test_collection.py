"""Collection: chats, moods, scores and feedback over the API, kept with consent, counted without. A real server, its real store."""

import json
from collections.abc import Iterator

import httpx
import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from heedful.cli.main import app as cli
from heedful.config import DatasetSettings
from heedful.dataset import build_dataset, load_split
from heedful.errors import StatementRefused
from heedful.lifecycle.erasure.erase import erase
from heedful.lifecycle.holdings import holdings_of
from heedful.server.app import create_app
from heedful.server.catalog import StaticCatalog
from heedful.server.keeping import Keeper
from heedful.store.audit_check import check_trail
from heedful.store.database import open_store
from heedful.store.feedback import LONGEST, replies_to_look_at
from heedful.store.instruments import check_score, spell
from heedful.store.reviews import count_reviews
from heedful.store.schema import Import, Person, utc_now
from heedful.store.schema_collection import Assessment, Mood, ReplyRow
from heedful.workspace import Workspace
from people import left_of
from sites import ANN, REPLY, TABLES, Site, site_of
from test_access import routes_of

# Anneliese and her nouns are those of `people`, so that any byte of hers can be told apart.
ASKED = "I keep dreaming of the kettledrum and its marmalade."
GREETING = "It sounds as if the lighthouse still follows you around."
MORE = "Yes, and nobody asks me about the thimbleful of it."


NOTHING = {table.__tablename__: 0 for table in TABLES}


@pytest.fixture
def site(workspace: Workspace) -> Iterator[Site]:
    with site_of(workspace) as made:
        yield made


def test_without_consent_only_counters_remain(site: Site) -> None:
    reply = site.chat(ASKED)
    turns = [{"role": "user", "content": ASKED}, {"role": "assistant", "content": GREETING}]
    told = [
        site.told("conversations", person=ANN, messages=turns, mood_before=3),
        site.told("moods", person=ANN, moment="after", value=6, reply=reply.id),
        site.told("assessments", person=ANN, instrument="PHQ-9", score=14),
        site.told("feedback", reply=reply.id, thumb="down", comment=MORE, corrected=GREETING),
    ]
    assert [one["kept"] for one in told] == [False] * 4
    assert site.rows() == NOTHING
    with site.store.snapshot() as session:
        assert session.scalars(select(Person)).all() == []
    counted = site.get("counters", "clinician").json()["data"]
    assert {(one["kind"], one["kept"], one["count"]) for one in counted} == {
        (kind, False, 1)
        for kind in ("turn", "conversation", "mood before", "mood after", "assessment", "thumb down", "comment", "correction")
    }
    assert left_of(ANN, site.workspace.root) == []


def test_with_consent_a_chat_is_kept_turn_by_turn_sealed(site: Site) -> None:
    site.agree("chat")
    first = site.chat(ASKED)
    second = site.chat(ASKED, REPLY, MORE, stream=True)
    ids = {chunk.id for chunk in second}
    assert site.told("moods", person=ANN, moment="before", value=2, reply=first.id)["conversation"] == 1
    assert site.texts() == [[ASKED, REPLY, MORE, REPLY]]
    with site.store.snapshot() as session:
        replies = session.execute(select(ReplyRow.id, ReplyRow.position, ReplyRow.model).order_by(ReplyRow.position)).all()
        assert [tuple(row) for row in replies] == [(first.id, 1, "warm-1"), (ids.pop(), 3, "warm-1")]
        entry = session.scalars(select(Import)).one()
        assert (entry.format, entry.rows, entry.added, entry.basis) == ("collected", 1, 1, "consent")
    assert left_of(ANN, site.workspace.root) == []


def test_a_shortened_history_goes_on_and_a_new_beginning_does_not(site: Site) -> None:
    site.agree("chat")
    site.chat(ASKED)
    site.chat(ASKED, REPLY, MORE)
    site.chat(MORE, REPLY, "And then?")  # the client sends the last turn only
    site.chat(ASKED, REPLY, "Something else.")  # asked anew in the middle
    site.told("moods", person=ANN, moment="after", value=5)
    assert site.texts() == [
        [ASKED, REPLY, MORE, REPLY, "And then?", REPLY],
        [ASKED, REPLY, "Something else.", REPLY],
    ]


def test_who_is_not_named_or_says_store_false_is_not_even_counted(site: Site) -> None:
    site.agree("chat")
    site.chat(ASKED, user="")
    site.chat(ASKED, store=False)
    site.chat(ASKED, user="bob-1")
    [counted] = site.get("counters", "operator").json()["data"]
    assert (counted["kind"], counted["kept"], counted["count"]) == ("turn", False, 1)
    with pytest.raises(Exception, match="nobody knows whose chat it is"):
        site.chat(ASKED, user="", store=True)


def test_a_withdrawal_ends_it_and_an_erased_person_cannot_agree(site: Site) -> None:
    site.agree("chat")
    reply = site.chat(ASKED)
    state = site.told("consent", person=ANN, purpose="chat", decision="withdrawn")
    assert [(d["purpose"], d["decision"], d["version"], d["actor"]) for d in state["decisions"]] == [
        ("chat", "withdrawn", 2, "key 1, client")
    ]
    site.chat(ASKED, REPLY, MORE)
    assert site.told("feedback", reply=reply.id, thumb="up")["kept"] is False
    assert site.texts() == [[ASKED, REPLY]]
    with site.store.snapshot() as session:
        person = session.scalars(select(Person.id)).one()
    erase(site.workspace, site.store, person, "tester", lambda *_: None)
    again = site.post("consent", person=ANN, purpose="chat", decision="granted")
    assert (again.status_code, again.json()["error"]["param"]) == (409, "person")
    assert site.get(f"consent?person={ANN}").json() == {"object": "consent", "person": ANN, "decisions": []}
    with site.store.snapshot() as session:
        assert list(check_trail(session, [])) == []


def test_from_the_moment_an_erasure_begins_nothing_more_is_kept(site: Site) -> None:
    site.agree("chat")
    reply = site.chat(ASKED)
    assert site.told("feedback", reply=reply.id, thumb="up")["kept"] is True
    with site.store.session() as session:
        session.scalars(select(Person)).one().erased_at = utc_now()  # as its first transaction does; the key is there still
    assert site.told("feedback", reply=reply.id, thumb="down")["kept"] is False
    assert site.told("moods", person=ANN, moment="after", value=1)["kept"] is False
    site.chat(ASKED, REPLY, MORE)
    assert site.post("consent", person=ANN, purpose="chat", decision="granted").status_code == 409
    assert site.rows() == {**NOTHING, "conversations": 1, "replies": 1, "feedback": 1}


def test_statements_are_checked_and_kept(site: Site) -> None:
    site.agree("chat")
    site.agree("chat", person="bob-1")
    reply = site.chat(ASKED)
    assert site.told("assessments", person=ANN, instrument="phq9", score=14, taken_at=1_700_000_000, reply=reply.id) == {
        "object": "assessment", "kept": True, "conversation": 1,
    }  # fmt: skip
    assert site.told("assessments", person=ANN, instrument="Sleep Diary", score=2.5)["conversation"] is None
    wrong = [
        ("assessments", {"person": ANN, "instrument": "PHQ-9", "score": 28}, 400, "score"),
        ("assessments", {"person": ANN, "instrument": "gad_7", "score": 3.5}, 400, "score"),
        ("assessments", {"person": ANN, "instrument": "né", "score": 3}, 400, "instrument"),
        ("moods", {"person": ANN, "moment": "before", "value": 11}, 400, "value"),
        ("moods", {"person": ANN, "moment": "during", "value": 1}, 400, "moment"),
        ("moods", {"person": "bob-1", "moment": "before", "value": 1, "reply": reply.id}, 404, "conversation"),
        ("moods", {"person": ANN, "moment": "before", "value": 1, "reply": reply.id, "conversation": 1}, 400, "reply"),
        ("feedback", {"reply": reply.id}, 400, None),
        ("feedback", {"reply": reply.id, "thumb": "sideways"}, 400, "thumb"),
        ("conversations", {"person": ANN, "messages": [{"role": "user", "content": "a"}]}, 400, "messages"),
        ("consent", {"person": ANN, "purpose": "profit", "decision": "granted"}, 400, "purpose"),
    ]
    for path, body, status, param in wrong:
        answer = site.post(path, **body)
        assert (answer.status_code, answer.json()["error"]["param"]) == (status, param), body
    with site.store.snapshot() as session:
        rows = session.execute(select(Assessment.instrument, Assessment.score, Assessment.conversation_id)).all()
        assert [tuple(row) for row in rows] == [("phq-9", 14.0, 1), ("sleep diary", 2.5, None)]
        assert session.scalars(select(Assessment.taken_at)).first().timestamp() == 1_700_000_000
    assert site.rows()["moods"] == 0


def test_known_questionnaires_have_their_published_range() -> None:
    assert [spell(name) for name in ("PHQ-9", "phq9", "PHQ_9", " GAD 7 ", "K-10")] == ["phq-9", "phq-9", "phq-9", "gad-7", "k10"]
    for name, low, high in (("phq-9", 0, 27), ("gad-7", 0, 21), ("k10", 10, 50), ("wemwbs", 14, 70)):
        check_score(name, low)
        check_score(name, high)
        for score in (low - 1, high + 1, low + 0.5):
            with pytest.raises(StatementRefused, match=name):
                check_score(name, score)
    check_score("of our own", -3.25)


def test_feedback_is_sealed_and_a_better_answer_stands_in_its_place(site: Site) -> None:
    site.agree("chat")
    reply = site.chat(ASKED)
    assert site.told("feedback", reply=reply.id, thumb="down", comment=MORE, corrected=GREETING)["conversation"] == 1
    assert (site.texts(), site.texts(corrected=True)) == ([[ASKED, REPLY]], [[ASKED, GREETING]])
    assert left_of(ANN, site.workspace.root) == []
    site.told("feedback", reply=reply.id, corrected=MORE)  # its own may be bettered
    site.told("feedback", "clinician", reply=reply.id, corrected="Tell me more about it.")
    other = site.post("feedback", reply=reply.id, corrected="Mine again.")
    assert (other.status_code, other.json()["error"]["param"]) == (409, "corrected")
    assert site.texts(corrected=True) == [[ASKED, "Tell me more about it."]]
    assert site.rows()["feedback"] == 3


def test_a_conversation_that_was_held_elsewhere(site: Site) -> None:
    site.agree("chat")
    turns = [{"role": "user", "content": ASKED}, {"role": "assistant", "content": GREETING}]
    told = site.told("conversations", person=ANN, messages=turns, model="m-1", mood_before=3, mood_after=5)
    again = site.told("conversations", person=ANN, messages=turns)
    assert told == again and told["id"] == 1 and [reply["position"] for reply in told["replies"]] == [1]
    assert site.told("feedback", reply=told["replies"][0]["id"], thumb="up")["conversation"] == 1
    with site.store.snapshot() as session:
        assert [tuple(row) for row in session.execute(select(Mood.moment, Mood.value, Mood.conversation_id))] == [
            ("before", 3, 1),
            ("after", 5, 1),
        ]


def test_a_collected_conversation_is_learned_from_and_forgotten(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Round trip: collected, corrected, in the next dataset; then erased, and gone from every byte."""
    persons = [ANN, *(f"person-{n}" for n in range(1, 6))]
    for number, person in enumerate(persons):
        site.agree("chat", "training", person=person)
        for day in range(3):
            question = ASKED if (number, day) == (0, 0) else f"{person} cannot rest on day {day}, what helps number {number}?"
            turns = [{"role": "user", "content": question}, {"role": "assistant", "content": f"Rest is hard, {day}-{number}."}]
            told = site.told("conversations", person=person, messages=turns)
            if question == ASKED:
                site.told("feedback", reply=told["replies"][0]["id"], thumb="down", comment=MORE, corrected=GREETING)
    site.told("assessments", person=ANN, instrument="gad-7", score=9)
    site.told("moods", person=ANN, moment="before", value=2)
    settings = DatasetSettings(identifiers="keep", language="any")
    dataset = build_dataset(site.store, site.workspace, settings, "Be kind.", "tester")
    lines = [one.answers[0] for split in ("train", "validation", "test") for one in load_split(dataset.path, split)]
    assert sum(dataset.counts.values()) == 18 and GREETING in lines and "Rest is hard, 0-0." not in lines
    held = holdings_of(site.store, ANN)
    assert (held.conversations, held.statements) == (3, {"moods": 1, "assessments": 1, "feedback": 1})
    monkeypatch.chdir(site.workspace.root)
    shown = CliRunner().invoke(cli, ["consent", "show", ANN])
    assert "moods 1, assessments 1, feedback 1" in shown.output
    looked = CliRunner().invoke(cli, ["erase", ANN, "--verify", "--phrase", ASKED, "--json"])
    assert (looked.exit_code, json.loads(looked.stdout)["clean"]) == (1, False)  # in the dataset
    done = CliRunner().invoke(cli, ["erase", ANN, "--yes", "--json"])
    detail = json.loads(done.stdout)["erased"][0]["detail"]
    assert (done.exit_code, detail["statements"], detail["sources"]) == (0, 3, [])
    assert {kind: detail["removed"]["rows"][kind] for kind in ("moods", "assessments", "feedback", "replies")} == {
        "moods": 1, "assessments": 1, "feedback": 1, "replies": 3,
    }  # fmt: skip
    assert left_of(ANN, site.workspace.root) == []
    assert site.rows() == {"conversations": 15, "replies": 15, "moods": 0, "assessments": 0, "feedback": 0}


def test_a_reply_that_was_disliked_or_cut_waits_for_a_reviewer(site: Site) -> None:
    site.agree("chat", "training")
    disliked = site.chat(ASKED)
    site.chat(MORE, max_tokens=3)
    site.chat("Nobody winds the clock any more.")
    waiting = {1: {"disliked_reply": [(1, 0, LONGEST)]}, 2: {"cut_reply": [(1, 0, LONGEST)]}}
    site.told("feedback", reply=disliked.id, thumb="up")
    site.told("feedback", reply=disliked.id, thumb="down")
    with site.store.snapshot() as session:
        assert replies_to_look_at(session) == waiting
    people = [f"person-{n}" for n in range(20)]
    for person in people:
        site.agree("chat", "training", person=person)
        site.chat(f"{person} asks what can be done about it.", user=person)
    site.get("counters", "clinician")  # it waits for the last turn
    settings = DatasetSettings(identifiers="keep", language="any")
    dataset = build_dataset(site.store, site.workspace, settings, "Be kind.", "tester")
    assert (sum(dataset.counts.values()), dataset.dropped["awaiting_review"]) == (21, 2)
    with site.store.snapshot() as session:
        assert count_reviews(session) == {"cut_reply": {"awaiting": 1}, "disliked_reply": {"awaiting": 1}}
    site.told("feedback", reply=disliked.id, corrected=GREETING)
    with site.store.snapshot() as session:
        assert replies_to_look_at(session) == {2: waiting[2]}


def test_roles_of_the_routes(site: Site) -> None:
    answers = {role: site.get("counters", role).status_code for role in site.keys}
    assert answers == {"client": 403, "clinician": 200, "operator": 200}
    asked = httpx.get(f"{site.address}/api/consent?person=a")
    assert (asked.status_code, asked.json()["error"]["code"]) == (401, "missing_api_key")


def test_the_routes_are_described(workspace: Workspace) -> None:
    with Keeper(open_store(workspace.database)) as keeper:
        app = create_app(StaticCatalog({}), keeper=keeper)
    paths = {route.path for route in routes_of(app) if route.path.startswith("/api")}
    assert paths == {f"/api/{name}" for name in ("conversations", "moods", "assessments", "feedback", "consent", "counters")}
    described = app.openapi()["paths"]
    for path in paths - {"/api/counters"}:
        schema = described[path]["post"]["requestBody"]["content"]["application/json"]["schema"]
        assert schema["additionalProperties"] is False and schema["required"]
