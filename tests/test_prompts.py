"""Prompts with versions: how they are found and rendered, what is refused, and that a turn says which one the model was told."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from heedful.cli.main import app
from heedful.config import SYSTEM_PROMPT, load_settings
from heedful.config.prompts import find_prompt, list_prompts, name_of, render
from heedful.errors import ConfigError, HeedfulError
from heedful.lifecycle.companions import Target, prompt_difference, told_in_service
from heedful.workspace import Workspace

PERSONA = {"name": "Ada", "team": "Campus Line"}


@pytest.fixture
def team(workspace: Workspace) -> Workspace:
    workspace.prompts.mkdir()
    for version, text in ((1, "You are {{name}}."), (2, "You are {{ name }} of {{team}}, called {{name}}."), (10, "Be brief.")):
        (workspace.prompts / f"line@{version}.md").write_text(text + "\n")
    (workspace.prompts / "support@1.md").write_text("The team's own.\n")
    return workspace


def refusal(*flags: dict[str, object], workspace: Workspace) -> str:
    with pytest.raises(HeedfulError) as refused:
        load_settings(workspace.config_file, {key: value for flag in flags for key, value in flag.items()})
    return refused.value.text


def test_versions_count_as_numbers_and_the_team_s_files_go_first(team: Workspace) -> None:
    known = [one.id for one in list_prompts(team.prompts)]
    assert known == ["ketamine@1", "line@1", "line@2", "line@10", "qa@1", "support@1", "support@2"]
    assert find_prompt(team.prompts, "line").id == "line@10"
    assert find_prompt(team.prompts, "support@1").text == "The team's own."
    assert find_prompt(Path("nowhere"), "support@1").text == SYSTEM_PROMPT
    with pytest.raises(ConfigError, match="there is no prompt 'lime@2'; the nearest is 'line@2'"):
        find_prompt(team.prompts, "lime@2")


def test_values_are_put_in_once_and_nothing_else_is_read_as_a_variable(team: Workspace) -> None:
    second = find_prompt(team.prompts, "line@2")
    assert second.variables == ("name", "team")
    assert render(second, PERSONA) == "You are Ada of Campus Line, called Ada."
    assert render(second, {**PERSONA, "team": "{{name}} {0} %s"}) == "You are Ada of {{name}} {0} %s, called Ada."


def test_what_does_not_fit_is_refused_with_one_line(team: Workspace) -> None:
    team.config_file.write_text("base: tiny\n")
    named = {"prompt": {"name": "line@2", "values": {"name": "Ada"}}}
    assert refusal(named, workspace=team) == "prompt line@2 needs a value for 'team'"
    named = {"prompt": {"name": "line@1", "values": PERSONA}}
    assert refusal(named, workspace=team) == "prompt line@1 has no variable 'team'; it has name"
    both = {"prompt": {"name": "line@10"}, "system_prompt": "Be kind."}
    assert refusal(both, workspace=team) == "system_prompt and prompt.name are both set; one of them is meant"
    assert refusal({"prompt": {"values": PERSONA}}, workspace=team).startswith("prompt.values are given, and no prompt")
    (team.prompts / "line@11.md").write_text("You are {{ Name }}.")
    assert "is no part of a variable" in refusal({"prompt": {"name": "line@11"}}, workspace=team)
    (team.prompts / "Line@v2.md").write_text("x")
    assert "the name of a prompt is like support@3.md" in refusal({"prompt": {"name": "line@1"}}, workspace=team)


def test_a_text_is_called_by_the_file_that_gives_it_or_by_its_hash(team: Workspace) -> None:
    assert name_of("You are Ada of Campus Line, called Ada.\n", team.prompts, PERSONA) == "line@2"
    assert name_of(SYSTEM_PROMPT, Path("nowhere"), {}) == "support@1"
    assert name_of("Be kind.", team.prompts, {}) == "text@5499befb" and name_of(" ", team.prompts, {}) == ""


def test_a_model_is_told_what_it_was_told_in_training_and_a_difference_is_said(team: Workspace) -> None:
    team.config_file.write_text("base: tiny\nprompt: {name: line@2, values: {name: Ada, team: Campus Line}}\n")
    settings = load_settings(team.config_file)
    assert settings.system_prompt == "You are Ada of Campus Line, called Ada."
    same, other = (Target("m-1", "tiny", None, text) for text in (settings.system_prompt, "You are Ada."))
    assert prompt_difference(team, same, settings) == ""
    said = "m-1 was trained with prompt line@1, configured is line@2; it is served with "
    assert prompt_difference(team, other, settings) == said + "that of its training"
    assert told_in_service(team, other, settings) == "You are Ada."
    ours = settings.model_copy(update={"prompt": settings.prompt.model_copy(update={"serve": "configured"})})
    assert prompt_difference(team, other, ours) == said + "the configured one"
    assert told_in_service(team, other, ours) == settings.system_prompt


def test_the_verb_lists_shows_and_compares(team: Workspace) -> None:
    team.config_file.write_text("base: tiny\nprompt: {name: line@2, values: {name: Ada, team: Campus Line}}\n")

    def said(*words: str) -> dict[str, object]:
        done = CliRunner().invoke(app, ["prompts", *words, "-w", str(team.root), "--json"])
        assert done.exit_code == 0, done.output
        found: dict[str, object] = json.loads(done.stdout)
        return found

    assert said("list")["configured"] == "line@2"
    assert said("show", "line@1") == {"prompt": "line@1", "text": "You are Ada."}
    assert said("diff", "line@1", "line@2")["diff"] == [
        *("--- line@1", "+++ line@2", "@@ -1 +1 @@"),
        *("-You are {{name}}.", "+You are {{ name }} of {{team}}, called {{name}}."),
    ]
