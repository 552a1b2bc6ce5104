"""Erasure: what is searched and how, what is removed, and what can never come back. Real store, datasets and reports."""

import asyncio
import json
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from heedful.cli.chat import converse
from heedful.cli.main import app
from heedful.cli.output import Output
from heedful.companion.turn import Companion
from heedful.config import DatasetSettings
from heedful.conversation import Message
from heedful.dataset import BuiltDataset, build, build_dataset, load_split
from heedful.engines.scripted import ScriptedEngine
from heedful.errors import DatasetError, RegistryError, StoreError
from heedful.evaluation.page import to_html
from heedful.evaluation.report import REPORT_HTML, REPORT_JSON, PromptCount, Report, ShownReply, Transcript, read_report, to_json
from heedful.lifecycle.erasure.erase import Erased, erase, verify
from heedful.lifecycle.erasure.traces import FRAGMENT_BYTES, Needles, fragments_of, needles_of, search
from heedful.lifecycle.holdings import holdings_of, person_named
from heedful.lifecycle.ingest import import_file
from heedful.registry.promotion import EVALUATION
from heedful.store.audit_check import check_trail
from heedful.store.conversations import iterate_conversations
from heedful.store.database import Store, open_store
from heedful.store.ledger import read_ledger
from heedful.store.persons import name_of
from heedful.store.reviews import correct
from heedful.store.schema import ConversationRow, DatasetMember, DatasetVersion, Import, Person, Run, SplitAssignment
from heedful.store.schema_trust import DataKey
from heedful.store.vault import digest
from heedful.workspace import Workspace, sha256, write_manifest
from people import PERSONS, left_of, person_in, texts_of, write_chats
from stand_ins import stand_in

ANN, *OTHERS = PERSONS
EACH = 4  # conversations of a person


@pytest.fixture
def store(workspace: Workspace, tmp_path: Path):
    opened = open_store(workspace.database)
    import_file(opened, write_chats(tmp_path / "chats.jsonl", *PERSONS, each=EACH), "tester", basis="consent")
    yield opened
    opened.close()


@pytest.fixture
def dataset(store: Store, workspace: Workspace) -> BuiltDataset:
    return build_dataset(store, workspace, DatasetSettings(), "Be kind.", "tester")


def id_of(store: Store, name: str) -> int:
    with store.snapshot() as session:
        return person_named(session, name)


def erased(workspace: Workspace, store: Store, name: str = ANN) -> Erased:
    return erase(workspace, store, id_of(store, name), "tester", lambda stage, done, total: None)


def reported(workspace: Workspace, store: Store, dataset: BuiltDataset, model: str) -> Path:
    """A real report: a transcript for every conversation of the test file."""
    reply = ShownReply("I see.", None, "stop", ())
    transcripts = tuple(
        Transcript(c.fingerprint(), (Message("user", c.question),), c.answers[0], reply, reply)
        for c in load_split(dataset.path, "test")
    )
    report = Report(
        schema=1, model=model, base="tiny", dataset=dataset.id, created_at="2026-01-01T00:00:00+00:00", verdict="passed", failed=(),
        inconclusive=(),
        settings={"sampling": {"temperature": 0.7}, "engine": "a script"},
        hashes={"adapter": "0" * 64}, prompts=PromptCount(4, 4, 0, 0, 4), checks=(),
        nll=None, metrics=(), transcripts=transcripts,
    )  # fmt: skip
    folder = workspace.reports / f"r-{model}"
    folder.mkdir()
    (folder / REPORT_JSON).write_text(to_json(report), encoding="utf-8")
    (folder / REPORT_HTML).write_text(to_html(report), encoding="utf-8")
    write_manifest(folder, {"kind": "report", "id": folder.name, "model": model, "dataset": dataset.id})
    with store.session() as session:
        detail = {"report": folder.name, "report_sha256": sha256(folder / REPORT_JSON), "passed": True}
        session.add(Run(kind=EVALUATION, status="done", dataset_id=dataset.id, model_id=model, detail=detail))
    return folder


# What is searched


@pytest.mark.parametrize(
    "text",
    [
        "The old kitchen clock stopped the day she left, and nobody winds it.",
        "First line is a long one here\nsecond line follows it at once\tand a third",
        'He said "never again, not in this house" & meant <every> word of it',
        "我今天早上醒来的时候觉得非常难过，不知道应该怎么办才好。",
        "Ünïcödé über alles würde hier stehen, façade naïve",
    ],
)
def test_a_text_is_found_in_every_form_in_which_heedful_writes_it(text: str, tmp_path: Path) -> None:
    fragments = set(fragments_of(text))
    assert fragments
    assert all(len(fragment.encode()) >= FRAGMENT_BYTES or fragment in text.lower() for fragment in fragments)
    forms = {
        "plain.txt": text,
        "escaped.json": json.dumps({"content": text}),
        "readable.json": json.dumps({"content": text}, ensure_ascii=False),
        "page.html": to_html_text(text),
        "weights.bin": "\0" * 50 + text.upper() + "\0" * 50,
    }
    for name, content in forms.items():
        (tmp_path / name).write_text(content, encoding="utf-8")
    (tmp_path / "other.txt").write_text(
        "Something else altogether stands in this file, of the same length or so.", encoding="utf-8"
    )
    found = search(tmp_path, needles_of(None, [text]))
    ascii_only = {"weights.bin"} if text.isascii() else set()  # bytes are folded to lower case for ASCII only
    assert {hit.path for hit in found.hits} >= (set(forms) - {"weights.bin"}) | ascii_only
    assert "other.txt" not in {hit.path for hit in found.hits}
    assert (found.files, found.unreadable) == (6, ())


def to_html_text(text: str) -> str:
    from markupsafe import escape

    return f"<p>{escape(text)}</p>"


def test_a_part_of_a_text_is_found_when_the_rest_was_replaced(tmp_path: Path) -> None:
    text = "My sister Anna took the bus to Leeds on Monday and has not called me since that terrible evening."
    (tmp_path / "a.jsonl").write_text(text.replace("Anna", "Ruth").replace("Leeds", "York"), encoding="utf-8")
    assert search(tmp_path, needles_of(None, [text])).hits[0].words == 2


def test_what_somebody_else_wrote_too_says_nothing() -> None:
    hers = [
        "I do not know what to do about it any more",
        "The lighthouse keeper never waves at me",
        "thanks",
        "so long as it lasts",
    ]
    needles = needles_of("p-17", hers, ["well, I DO NOT KNOW WHAT TO DO about it any more", "hello"])
    assert needles.fragments == {"the lighthouse keeper never", "keeper never waves at me", "so long as it lasts"}
    assert (needles.shared, needles.too_short) == (2, 1)


def test_a_name_must_stand_alone(tmp_path: Path) -> None:
    for name, content in {
        "yes.txt": '{"person": "P-17"}', "longer.txt": "p-170 xp-17 p-17_b", "path p-17.txt": "nothing",
        "tokenizer.json": '"p-17": 5', "weights.bin": "\0p-17\0",
    }.items():  # fmt: skip
        (tmp_path / name).write_text(content)
    found = search(tmp_path, Needles("p-17", frozenset()))
    assert {(hit.path, hit.name) for hit in found.hits} == {("yes.txt", 1), ("path p-17.txt", 1)}
    (tmp_path / "weights.bin").write_text("\0person-17\0")
    assert [hit.path for hit in search(tmp_path, Needles("person-17", frozenset())).hits] == ["weights.bin"]


def test_matches_across_chunks_are_found_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("heedful.lifecycle.erasure.traces.CHUNK", 64)
    text = "a very particular sentence of mine"
    (tmp_path / "a.txt").write_text(("." * 50 + text) * 5 + " person-17 " + "." * 200 + " person-17")
    found = search(tmp_path, Needles("person-17", frozenset({text})))
    assert (found.hits[0].name, found.hits[0].words) == (2, 5)


# What is removed


def test_nothing_is_left_and_the_others_are(workspace: Workspace, store: Store, dataset: BuiltDataset, tmp_path: Path) -> None:
    named = write_chats(tmp_path / f"{ANN}.jsonl", ANN, each=10)
    import_file(store, named, "tester", basis="consent")
    assert left_of(ANN, workspace.root) != []
    result = erased(workspace, store)
    assert result.found.hits == ()
    assert left_of(ANN, workspace.root) == []
    assert result.detail["datasets"] == [dataset.id]
    assert {table: n for table, n in result.detail["removed"]["rows"].items() if table != "split_assignments"} == {
        "messages": 20, "dataset_members": EACH, "conversations": 10, "data_keys": 1, "corrections": 0, "review_items": 0,
        "replies": 0, "moods": 0, "assessments": 0, "feedback": 0, "experiment_members": 0, "reply_pairs": 0,
        "upload_rows": 0,
    }  # fmt: skip
    with store.snapshot() as session:
        held = [one.conversation for one in iterate_conversations(session)]
        assert {c.question for c in held} == {texts_of(person, n)[0] for person in OTHERS for n in range(EACH)}
        assert session.query(DataKey).count() == len(OTHERS)
        assert [entry.path for entry in session.scalars(select(Import))] == [
            str(tmp_path / "chats.jsonl"),
            "(removed by an erasure)",
        ]
        assert session.get_one(DatasetVersion, dataset.id).erasure_id == result.erasure
        assert check_trail(session) == []
        assert session.get(SplitAssignment, digest(session, "split", f"p:{id_of(store, ANN)}")) is None
        assert session.get(SplitAssignment, digest(session, "split", f"p:{id_of(store, OTHERS[0])}")) is not None
    assert not dataset.path.exists()
    rebuilt = build_dataset(store, workspace, DatasetSettings(), "Be kind.", "tester")
    assert sum(rebuilt.counts.values()) == EACH * len(OTHERS)


def test_of_three_persons_two_are_too_few_until_somebody_else_comes(workspace: Workspace, tmp_path: Path) -> None:
    """Each has a file of the dataset, and keeps it: nobody's words move between the files because another was erased."""
    store = open_store(workspace.database)
    build = partial(build_dataset, store, workspace, DatasetSettings(), "Be kind.", "tester")
    import_file(store, write_chats(tmp_path / "chats.jsonl", *PERSONS[:3], each=6), "tester", basis="consent")
    before = sides_of(store, build().id)
    assert sorted(before.values()) == ["test", "train", "validation"]
    erased(workspace, store, ANN)
    with pytest.raises(DatasetError, match="12 usable conversations are only 2 bundles, and each of the three files needs") as told:
        build()
    assert told.value.next_step == "heedful import FILE with conversations of other persons, or texts of the team's own"
    import_file(store, write_chats(tmp_path / "more.jsonl", PERSONS[3], each=6), "tester", basis="consent")
    after = sides_of(store, build().id)
    assert after == {PERSONS[1]: before[PERSONS[1]], PERSONS[2]: before[PERSONS[2]], PERSONS[3]: before[ANN]}
    store.close()


def sides_of(store: Store, dataset: str) -> dict[str, str]:
    with store.snapshot() as session:
        rows = session.execute(
            select(Person, DatasetMember.split)
            .join(ConversationRow, ConversationRow.person_id == Person.id)
            .join(DatasetMember, DatasetMember.conversation_id == ConversationRow.id)
            .where(DatasetMember.dataset_id == dataset)
        )
        return {str(name_of(session, person)): split for person, split in rows}


def test_what_a_reviewer_wrote_in_place_of_her_words_goes_too(workspace: Workspace, store: Store, tmp_path: Path) -> None:
    written = "The zeppelin drifted across the meadow while she counted sheep."
    with store.session() as session:
        person = person_named(session, ANN)
        (conversation, *_) = session.scalars(select(ConversationRow.id).where(ConversationRow.person_id == person))
        correct(session, conversation, {1: written})
    built = build_dataset(store, workspace, DatasetSettings(), "Be kind.", "tester")
    assert any(written in path.read_text() for path in built.path.glob("*.jsonl"))
    (workspace.reports / "x-1").mkdir()
    (workspace.reports / "x-1" / "notes.txt").write_text(f"quoted: {written}")
    result = erased(workspace, store)
    assert (result.detail["removed"]["rows"]["corrections"], result.detail["removed"]["quoting"]) == (1, ["x-1"])
    assert not [path for path in workspace.root.rglob("*") if path.is_file() and b"zeppelin" in path.read_bytes()]


def test_the_receipt_lists_it_all(workspace: Workspace, store: Store, dataset: BuiltDataset, tmp_path: Path) -> None:
    model, pupil = stand_in(workspace, store, dataset.id, b"1", None), person_in(dataset.path / "train.jsonl")
    result = erased(workspace, store, pupil)
    receipt = json.loads(result.receipt.read_text())
    assert receipt["detail"]["conversations"] == EACH
    assert receipt["detail"]["messages"] == 2 * EACH
    assert receipt["detail"]["datasets"] == [dataset.id]
    assert receipt["detail"]["models"] == [model]
    assert receipt["search"]["hits"] == []
    assert receipt["search"]["with_words"] and receipt["search"]["with_name"]
    assert receipt["remaining"] == [
        f"retrain: {model} is quarantined; a worker does it, or heedful dataset build, then heedful train",
        f"models/{model} keeps its weights in quarantine; remove the directory when nobody needs it for comparison",
        f"the file it was imported from, if it still exists: {tmp_path / 'chats.jsonl'}",
    ]
    ledger = read_ledger(workspace.ledger)
    assert ledger is not None
    assert [entry.lookup for entry in ledger.entries] == [receipt["person"]]
    held = holdings_of(store, pupil)
    assert (held.conversations, held.erased_at is not None, [m.model for m in held.models]) == (0, True, [model])


def test_reports_lose_her_transcripts_and_still_prove(workspace: Workspace, store: Store, dataset: BuiltDataset) -> None:
    """A model that did not learn from the person whose words only judged it."""
    shown, judge = len(load_split(dataset.path, "test")), person_in(dataset.path / "test.jsonl")
    model = stand_in(workspace, store, dataset.id, b"1", None)
    folder = reported(workspace, store, dataset, model)
    workspace.replies.mkdir()
    (workspace.replies / "0a.json").write_text("[]")
    result = erased(workspace, store, judge)
    assert not workspace.replies.exists(), "what a model answered to anybody can be made again"
    assert result.detail["models"] == []
    assert result.detail["judged"] == [model]
    assert result.detail["removed"]["transcripts"] == EACH
    report = read_report(folder)
    assert (len(report.transcripts), report.redacted) == (shown - EACH, EACH)
    assert "Transcripts that were taken out because a person in them was erased: 4." in (folder / REPORT_HTML).read_text()
    with store.snapshot() as session:
        run = session.scalars(select(Run)).one()
        assert run.detail["report_sha256"] == sha256(folder / REPORT_JSON)
    assert left_of(judge, workspace.root) == []


def test_a_report_that_was_edited_stays_refused(workspace: Workspace, store: Store, dataset: BuiltDataset) -> None:
    folder = reported(workspace, store, dataset, stand_in(workspace, store, dataset.id, b"1", None))
    (folder / REPORT_JSON).write_text((folder / REPORT_JSON).read_text().replace('"passed"', '"refused"', 1))
    erased(workspace, store)
    with store.snapshot() as session:
        run = session.scalars(select(Run)).one()
    assert not (folder / REPORT_JSON).exists() or run.detail["report_sha256"] != sha256(folder / REPORT_JSON)


def test_unfinished_work_is_removed(workspace: Workspace, store: Store, dataset: BuiltDataset) -> None:
    """What a kill left behind, and a training that goes on with her words; another training is left alone."""
    words = texts_of(ANN, 3)[0]
    for place in (workspace.datasets / ".part-1", workspace.models / ".part-2", workspace.reports / ".part-3"):
        place.mkdir()
        (place / "train.jsonl").write_text(words)
    for name, job in {
        ".training-t-1": {"dataset": dataset.id},
        ".training-t-2": {"dataset": "ds-other"},
        ".training-t-3": None,
    }.items():
        (workspace.models / name).mkdir()
        (workspace.models / name / "job.json").write_text("{broken" if job is None else json.dumps(job))
    (workspace.datasets / "ds-orphan").mkdir()
    (workspace.datasets / "ds-orphan" / "train.jsonl").write_text(words)
    result = erased(workspace, store)
    assert result.detail["removed"]["unfinished"] == 5
    assert result.detail["removed"]["orphans"] == ["ds-orphan"]
    assert [path.name for path in workspace.models.iterdir()] == [".training-t-2"]
    assert left_of(ANN, workspace.root) == []


def test_another_report_that_quotes_her_goes_as_a_whole(workspace: Workspace, store: Store) -> None:
    folder = workspace.reports / "x-1"
    folder.mkdir()
    (folder / "notes.json").write_text(json.dumps({"said": texts_of(ANN, 0)[1]}))
    result = erased(workspace, store)
    assert result.detail["removed"]["quoting"] == ["x-1"]
    assert not folder.exists()


def test_a_dataset_that_only_names_her_in_its_sources_goes_too(workspace: Workspace, store: Store, tmp_path: Path) -> None:
    """Her conversation was filtered out, so lineage does not know the dataset; the path of her file stands in its manifest."""
    rows = [{"role": "user", "content": "Hello there?"}, {"role": "assistant", "content": "x"}]
    (tmp_path / "zebulon-99.jsonl").write_text(json.dumps({"messages": rows, "person": "zebulon-99"}) + "\n")
    import_file(store, tmp_path / "zebulon-99.jsonl", "tester", basis="consent")
    built = build_dataset(store, workspace, DatasetSettings(), "Be kind.", "tester")
    result = erased(workspace, store, "zebulon-99")
    assert (result.detail["datasets"], result.detail["removed"]["quoting"]) == ([], [built.id])
    assert result.found.hits == ()
    assert not built.path.exists()


def test_a_chat_in_the_terminal_ends_with_the_model(workspace: Workspace, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    companion = Companion(ScriptedEngine("m-1", ["I see."]), "")
    monkeypatch.setattr("builtins.input", lambda prompt: "Hello?")
    asked = iter([False, True])
    with asyncio.Runner() as runner, pytest.raises(RegistryError, match="m-1 learned from a person who was erased"):
        converse(Output(), companion, runner, lambda: next(asked))


def test_what_is_not_heedfuls_is_named_and_left(workspace: Workspace, store: Store, tmp_path: Path) -> None:
    copy = write_chats(workspace.root / "copy.jsonl", ANN, OTHERS[0])
    result = erased(workspace, store)
    assert [hit.path for hit in result.found.hits] == ["copy.jsonl"]
    assert (
        result.remaining[0] == "copy.jsonl holds the name and words of the person and is not Heedful's to remove: remove or edit it"
    )
    assert copy.exists()
    found, _ = verify(workspace, store, ANN, [texts_of(ANN, 0)[0]])
    assert [(hit.path, hit.name, hit.words > 0) for hit in found.hits] == [("copy.jsonl", 14, True)]
    copy.unlink()
    assert verify(workspace, store, ANN, [texts_of(ANN, 0)[0]])[0].hits == ()


def test_the_receipt_names_her_nowhere(workspace: Workspace, store: Store, tmp_path: Path) -> None:
    """Not even where a file is left whose path does; the terminal tells which."""
    write_chats(workspace.root / f"{ANN}.jsonl", ANN, each=1)
    import_file(store, write_chats(tmp_path / f"{ANN}.jsonl", ANN, each=5), "tester", basis="consent")
    result = erased(workspace, store)
    assert [hit.path for hit in result.found.hits] == [f"{ANN}.jsonl"]
    told = result.receipt.read_text()
    assert ANN not in told
    assert json.loads(told)["search"]["hits"] == [{"path": "(a file whose path names the person)", "name": 2, "words": 5}]
    assert (
        "files it was imported from whose paths name the person, and are therefore not listed: 1" in json.loads(told)["remaining"]
    )


def test_a_short_name_is_searched_in_the_columns(workspace: Workspace, tmp_path: Path) -> None:
    store = open_store(workspace.database)
    (tmp_path / "p-17").mkdir()
    rows = [{"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}]
    (tmp_path / "p-17" / "x.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    import_file(store, tmp_path / "p-17" / "x.jsonl", "tester")
    assert [(hit.path, hit.name) for hit in verify(workspace, store, "p-17", [])[0].hits] == [("heedful.db", 1)]
    assert verify(workspace, store, "p-1", [])[0].hits == ()
    store.close()


# What can never come back


def test_an_import_cannot_bring_her_back(workspace: Workspace, store: Store, tmp_path: Path) -> None:
    erased(workspace, store)
    report = import_file(store, tmp_path / "chats.jsonl", "tester", basis="consent")
    assert (report.added, report.known, report.erased, report.persons, report.consents) == (
        0,
        EACH * len(OTHERS),
        EACH,
        len(OTHERS),
        0,
    )
    assert left_of(ANN, workspace.root) == []


def test_a_new_database_of_the_workspace_knows_her_still(workspace: Workspace, store: Store, tmp_path: Path) -> None:
    erased(workspace, store)
    store.close()
    for path in workspace.root.glob("heedful.db*"):
        path.unlink()
    done = CliRunner().invoke(app, ["import", str(tmp_path / "chats.jsonl"), "--json", "--workspace", str(workspace.root)])
    (report,) = json.loads(done.stdout)["imports"]
    assert (report["added"], report["erased"]) == (EACH * len(OTHERS), EACH)


def test_a_database_that_was_put_back_is_refused_until_she_is_erased_again(workspace: Workspace, store: Store) -> None:
    store.compact()
    older = workspace.database.read_bytes()
    erased(workspace, store)
    store.close()
    workspace.database.write_bytes(older)
    where = ["--json", "--workspace", str(workspace.root)]
    refused = CliRunner().invoke(app, ["consent", "list", *where])
    assert refused.exit_code == 1
    assert json.loads(refused.stdout) == {
        "error": "the database is older than 1 erasures, and holds persons who were erased", "next": "heedful erase --resume",
    }  # fmt: skip
    assert CliRunner().invoke(app, ["erase", "--resume", *where]).exit_code == 0
    assert left_of(ANN, workspace.root) == []
    listed = json.loads(CliRunner().invoke(app, ["consent", "list", *where]).stdout)
    assert [person["person"] for person in listed["persons"]] == OTHERS


def test_a_build_under_way_does_not_keep_her(
    workspace: Workspace, store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    write = build.write_lines

    def write_slowly(*arguments: object) -> object:
        written = write(*arguments)  # type: ignore[arg-type]
        with store.session() as session:  # the first transaction of an erasure
            session.get_one(Person, id_of(store, ANN)).erased_at = session.get_one(Person, id_of(store, ANN)).created_at
        return written

    monkeypatch.setattr(build, "write_lines", write_slowly)
    with pytest.raises(DatasetError, match="withdrew or was erased while the dataset was built"):
        build_dataset(store, workspace, DatasetSettings(), "", "tester")
    assert list(workspace.datasets.iterdir()) == []


def test_a_reader_keeps_the_erasure_open_until_it_ends(workspace: Workspace, store: Store) -> None:
    with store.snapshot() as reading:
        reading.scalar(select(Person.id))
        quick = open_store(workspace.database, wait_s=0.05)
        with pytest.raises(StoreError):
            erased(workspace, quick)
        quick.close()
    assert holdings_of(store, ANN).erased_at is not None
    result = erased(workspace, store)
    assert result.found.hits == ()
    assert left_of(ANN, workspace.root) == []


# The verb


def call(workspace: Workspace, *words: str) -> tuple[int, dict[str, object]]:
    done = CliRunner().invoke(app, [*words, "--json", "--workspace", str(workspace.root)])
    return done.exit_code, json.loads(done.stdout)


def test_the_verb(workspace: Workspace, store: Store, dataset: BuiltDataset) -> None:
    code, told = call(workspace, "erase", ANN)
    assert (code, told["next"]) == (1, f"heedful erase {ANN} --yes")
    assert told["error"] == f"this would erase 4 conversations, datasets {dataset.id}; nobody is there to confirm it"
    code, told = call(workspace, "erase", ANN, "--verify", "--phrase", texts_of(ANN, 1)[0])
    assert (code, told["clean"]) == (1, False)
    code, told = call(workspace, "erase", ANN, "--yes")
    assert (code, told["erased"][0]["found"]["hits"]) == (0, [])
    assert Path(told["erased"][0]["receipt"]).is_file()
    assert call(workspace, "erase", ANN, "--verify", "--phrase", texts_of(ANN, 1)[0])[1]["clean"] is True
    code, again = call(workspace, "erase", ANN, "--yes")
    assert (code, again["erased"], again["receipt"]) == (0, [], told["erased"][0]["receipt"])
    assert call(workspace, "erase", "nobody-1", "--yes")[1]["error"] == "nobody is known as 'nobody-1'"
    assert call(workspace, "erase")[0] == 1
    assert call(workspace, "consent", "grant", ANN)[1]["error"].startswith(f"'{ANN}' was erased on ")
    code, told = call(workspace, "audit", "verify")
    assert (code, told["whole"], told["anchors"]) == (0, True, 1)
    receipt = next(workspace.receipts.iterdir())
    receipt.write_text(receipt.read_text().replace('"messages": 8', '"messages": 2'))
    code, told = call(workspace, "audit", "verify")
    assert (code, [finding["problem"] for finding in told["findings"]]) == (
        1,
        [f"receipts/{receipt.name} is not the receipt that was written"],
    )
