"""Removal of a version, as OpenAI's client asks for it: what goes, what is refused and why, and who may."""

from collections.abc import Callable

import openai
import pytest
from openai import OpenAI

from heedful.config import load_settings
from heedful.registry.aliases import current_aliases, point
from heedful.registry.versions import find_version
from heedful.server.access import access_to
from heedful.server.assembly import assembled
from heedful.store.api_keys import create_key
from heedful.store.audit import Wanted, list_events
from heedful.store.database import Store
from heedful.store.training_runs import enqueue, note
from heedful.workspace import Workspace
from test_pruning import crown, dataset, left, model, store
from test_server import serving

__all__ = ["store"]  # the fixture


def named(store: Store, name: str, version: str) -> None:
    with store.session() as session:
        point(session, name, version, "ada", "a job")


def refused(kind: type[openai.APIStatusError], ask: Callable[[], object]) -> str:
    with pytest.raises(kind) as error:
        ask()
    return error.value.message


def test_a_fine_tuned_model_is_deleted_and_what_others_need_is_not(workspace: Workspace, store: Store) -> None:
    data = dataset(workspace, store, 1)
    gone, below, former, champion, used = (model(workspace, store, number, data) for number in range(1, 6))
    child = model(workspace, store, 6, data, parent=below)
    for name, version in (("ft:a", gone), ("ft:b", gone), ("ft:c", champion)):
        named(store, name, version)
    crown(store, former)
    crown(store, champion)
    with store.session() as session:
        note(session, enqueue(session, "loop", {}, "ada").id, model_id=used)
        secrets = {role: create_key(session, role, role, "ada")[1] for role in ("operator", "clinician")}
    settings = load_settings(workspace.config_file)
    with (
        assembled(workspace, store, settings, access_to(store, settings.server)) as (application, _),
        serving(application) as address,
        OpenAI(base_url=f"{address}/v1", api_key=secrets["operator"], max_retries=0) as client,
    ):
        delete = client.models.delete
        assert "may not do this" in refused(
            openai.PermissionDeniedError, lambda: client.with_options(api_key=secrets["clinician"]).models.delete("ft:a")
        )
        deleted = delete("ft:a")
        assert (deleted.id, deleted.object, deleted.deleted) == ("ft:a", "model", True)
        for name in ("ft:a", "ft:b", gone, "m-nothing", gone[:6]):
            assert f"unknown model '{name}'" in refused(openai.NotFoundError, lambda name=name: delete(name))
        assert {entry.id for entry in client.models.list()} == {below, former, champion, used, child, "base"}
        reasons = {
            "ft:c": f"{champion} stays: it is champion.",
            former: f"{former} stays: it was champion, so a rollback or an erasure may need it at once.",
            below: f"{below} stays: trained on top of it: {child}.",
            used: f"{used} stays: work under way needs it.",
            "base": "base is no version: it is what all versions stand on.",
        }
        for name, words in reasons.items():
            assert words in refused(openai.ConflictError, lambda name=name: delete(name))
        assert delete(child).id == child
        assert delete(below).id == below  # nothing stands on it any more
    assert left(workspace.models) == sorted([former, champion, used])
    assert [name.rpartition("-")[0] for name in left(workspace.served)] == left(workspace.models)
    with store.snapshot() as session:
        assert find_version(session, gone).pruned, "the row stays, for an erasure"
        assert current_aliases(session) == {"champion": champion, "ft:c": champion}
        events = list_events(session, Wanted(action="model.removed"))
    assert [(event.subject, event.detail["aliases"]) for event in events] == [
        (gone, ["ft:a", "ft:b"]),
        (child, []),
        (below, []),
    ]
    assert {event.actor.partition(", ")[2] for event in events} == {"operator"}
