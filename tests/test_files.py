"""/v1/files as the official client uses it: checked row by row, sealed, seen by their owner, gone when deleted."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest
from openai import OpenAI
from sqlalchemy import select

from heedful.lifecycle.fine_tuning.rows import count_rows
from heedful.server import form
from heedful.store.api_keys import create_key
from heedful.store.schema import ConversationRow
from heedful.store.schema_trust import DataKey
from heedful.store.schema_uploads import Upload, UploadPart
from heedful.store.uploads import take_rows
from heedful.workspace import Workspace
from people import left_of, texts_of
from sites import ANN, Site, site_of


@pytest.fixture
def site(workspace: Workspace) -> Iterator[Site]:
    with site_of(workspace) as made:
        yield made


def row(number: int, person: str = ANN) -> dict[str, Any]:
    question, answer = texts_of(person, number)
    return {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]}


def lines(*rows: Any) -> bytes:
    return ("\n".join(one if isinstance(one, str) else json.dumps(one) for one in rows) + "\n").encode()


GOOD = lines(*map(row, range(12)))


def client(there: Site, role: str = "operator") -> OpenAI:
    return OpenAI(base_url=f"{there.address}/v1", api_key=there.keys[role], max_retries=0)


def test_a_file_is_kept_sealed_and_comes_back_as_it_was(site: Site) -> None:
    with client(site) as api:
        made = api.files.create(file=("marmalade.jsonl", GOOD), purpose="fine-tune")
        assert (made.bytes, made.filename, made.purpose, made.status) == (len(GOOD), "marmalade.jsonl", "fine-tune", "processed")
        assert api.files.retrieve(made.id) == made
        assert api.files.content(made.id).content == GOOD
        other = api.files.create(file=("b.jsonl", GOOD), purpose="fine-tune")
        assert [one.id for one in api.files.list()] == [other.id, made.id]
        first = api.files.list(limit=1, order="asc")
        assert ([one.id for one in first.data], first.has_more) == ([made.id], True)
        assert [one.id for one in api.files.list(after=made.id, order="asc")] == [other.id]
        assert left_of(ANN, site.workspace.root) == []
        with site.store.session() as session:
            assert take_rows(session, made.id, "", [], "tester") == 0
        gone = api.files.delete(made.id)
        assert (gone.id, gone.deleted, gone.object) == (made.id, True, "file")
        with pytest.raises(openai.NotFoundError):
            api.files.content(made.id)
    with site.store.snapshot() as session:
        assert len(session.scalars(select(Upload)).all()) == 1
        assert len(session.scalars(select(UploadPart)).all()) == 1
        assert len(session.scalars(select(DataKey)).all()) == 1


def test_a_file_belongs_to_its_key(site: Site) -> None:
    with site.store.session() as session:
        other = create_key(session, "other", "clinician", "tester")[1]
    with client(site, "clinician") as api, client(site) as operator, OpenAI(base_url=api.base_url, api_key=other) as stranger:
        made = api.files.create(file=("a.jsonl", GOOD), purpose="fine-tune")
        assert operator.files.retrieve(made.id) == api.files.retrieve(made.id)
        assert list(stranger.files.list()) == []
        with pytest.raises(openai.NotFoundError):
            stranger.files.delete(made.id)
    with client(site, "client") as app, pytest.raises(openai.PermissionDeniedError):
        app.files.list()


WRONG = {
    "no json": ("{", "row 11: is no JSON in UTF-8"),
    "no object": (["a"], "row 11: is no object; allowed: an object with messages"),
    "no messages": ({"messages": []}, "row 11: messages is missing, empty or no list"),
    "another field": ({**row(1), "person": "a"}, "row 11: person is not supported; allowed: messages"),
    "tools": ({**row(1), "tools": [{"type": "function"}]}, "row 11: tools is not supported; allowed: messages"),
    "weight": (
        {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b", "weight": 0}]},
        "row 11: messages[1].weight is not 1; every answer is learned",
    ),
    "a tool": (
        {"messages": [{"role": "tool", "content": "a"}]},
        "row 11: messages[0].role is none of system, developer, user, assistant",
    ),
    "no text": (
        {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
        "row 11: messages[0].content is missing, empty or no text",
    ),
    "unanswered": (
        {"messages": [{"role": "user", "content": "a"}]},
        "row 11: the last message is not the assistant's, so there is nothing to learn",
    ),
    "unasked": ({"messages": [{"role": "assistant", "content": "a"}]}, "row 11: no message is the user's, so nothing is answered"),
    "surrogate": (
        '{"messages": [{"role": "user", "content": "\\ud800"}]}',
        "row 11: messages[0].content holds half of a surrogate pair",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_the_first_bad_row_is_named(name: str) -> None:
    bad, said = WRONG[name]
    assert count_rows(lines(*map(row, range(10)), bad)) == (10, said)


def test_what_openai_takes_is_taken() -> None:
    weighted = {"messages": [{"role": "developer", "content": "Be kind.", "name": None}, *row(1)["messages"]], "tools": []}
    weighted["messages"][-1]["weight"] = 1
    assert count_rows(b"\xef\xbb\xbf" + GOOD + b"\n\n" + lines(weighted)) == (13, "")
    assert count_rows(lines(*map(row, range(9)))) == (9, "the file has 9 rows; a job needs at least 10")


def test_a_bad_file_is_kept_and_says_why(site: Site) -> None:
    with client(site) as api:
        made = api.files.create(file=("a.jsonl", GOOD + b"{\n"), purpose="fine-tune")
    assert (made.status, made.status_details) == ("error", "row 13: is no JSON in UTF-8")


def test_forms_that_cannot_be(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    there, sent = f"{site.address}/v1/files", {"Authorization": f"Bearer {site.keys['operator']}"}
    file = {"file": ("a.jsonl", GOOD)}
    answers = [
        httpx.post(there, headers=sent, json={}),
        httpx.post(there, headers=sent, files=file),
        httpx.post(there, headers=sent, files=file, data={"purpose": "vision"}),
        httpx.post(there, headers=sent, files=file, data={"purpose": "fine-tune", "expires_after[seconds]": "3600"}),
        httpx.post(there, headers=sent, files={"other": ("a", b"a")}, data={"purpose": "fine-tune"}),
        httpx.post(there, headers={**sent, "Content-Type": "multipart/form-data"}, content=b"a"),
        httpx.post(there, headers={**sent, "Content-Type": "multipart/form-data; boundary=b"}, content=b"--b\r\nnonsense"),
    ]
    assert [(one.status_code, one.json()["error"]["param"]) for one in answers] == [
        (415, None), (400, "purpose"), (400, "purpose"), (400, "expires_after[seconds]"), (400, "file"), (400, None), (400, "file"),
    ]  # fmt: skip
    monkeypatch.setattr(form, "MAX_BYTES", 1_000)
    large = httpx.post(there, headers=sent, files=file, data={"purpose": "fine-tune"})
    assert (large.status_code, large.json()["error"]["code"]) == (413, "request_too_large")
    with site.store.snapshot() as session:
        assert session.scalars(select(Upload)).all() == []


def test_rows_of_a_file_are_apart_and_go_with_it(site: Site) -> None:
    from heedful.lifecycle.fine_tuning.rows import read_rows
    from heedful.store.consent import permitted
    from heedful.store.scope import uploaded

    with client(site) as api:
        made, other = (api.files.create(file=(name, GOOD), purpose="fine-tune") for name in ("a.jsonl", "b.jsonl"))
        with site.store.session() as session:
            assert [take_rows(session, one.id, "", read_rows(GOOD), "tester") for one in (made, made, other)] == [12, 12, 12]
            assert session.scalars(permitted("training")).all() == []
            assert len(session.scalars(permitted("training", uploaded([made.id]))).all()) == 12
        assert left_of(ANN, site.workspace.root) == []
        api.files.delete(made.id)
        with site.store.snapshot() as session:
            assert len(session.scalars(permitted("training", uploaded([other.id]))).all()) == 12
        api.files.delete(other.id)
        with site.store.snapshot() as session:
            assert session.scalars(select(ConversationRow)).all() == []
