"""Companions: a registered version, or the base alone, in; a companion with a loaded engine out."""

import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from heedful.companion.guarding import Guards, HandOver, warm_up
from heedful.companion.retrieving import Retrieve, Wanted, from_documents
from heedful.companion.trace import Record
from heedful.companion.turn import Companion
from heedful.config import GenerationSettings, GuardSettings, KnowledgeSettings, Settings, UpstreamSettings
from heedful.config.prompts import name_of
from heedful.engines.base import Engine, Sampling
from heedful.engines.openai_compatible import OpenAICompatibleEngine, Upstream
from heedful.engines.openvino.apart import build_apart
from heedful.engines.openvino.build import MODEL
from heedful.engines.openvino.load import load_openvino_engine
from heedful.engines.selection import LocalSetting, choose_engine
from heedful.engines.transformers_engine import TransformersEngine
from heedful.errors import ConfigError, EngineError, ModelError, RegistryError
from heedful.guards.crisis.classifier import load_classifier
from heedful.guards.resources import load_countries
from heedful.lifecycle.handover import hand_over_to
from heedful.lifecycle.loopback import is_loopback
from heedful.modeling.adapters import load_with_adapter
from heedful.modeling.bases import context_length, count_parameters, load_tokenizer, resolve_base
from heedful.modeling.chat_template import fingerprint
from heedful.modeling.devices import choose_device
from heedful.modeling.rounding import DEFAULT_WEIGHTS
from heedful.privacy import DIRECT, find_identifiers
from heedful.registry.aliases import CHAMPION, fell_to_base
from heedful.registry.versions import Version, find_version, list_versions, verified_directory
from heedful.store.database import Store
from heedful.workspace import Workspace, read_manifest

if TYPE_CHECKING:
    from transformers import PreTrainedModel

LOG = logging.getLogger("heedful.engines")
OF_PEOPLE = frozenset(DIRECT) - {"email", "phone", "url"}
SURE = 0.8  # score of an identifier; below it, it may be an ordinary word such as Hope
BASE = "base"  # the name under which the base alone can be asked


@dataclass(frozen=True, slots=True)
class Target:
    """What is to be loaded: a base and perhaps an adapter. `name` is the model id, or `base`."""

    name: str
    base: str
    adapter: Path | None
    system_prompt: str


def find_target(workspace: Workspace, store: Store, settings: Settings, name: str) -> Target:
    """By id, alias or `base`. A version is checked against its registered hash, its format against the tokenizer of the base.

    The champion is the base again after an erasure that left no clean version. Raises RegistryError for a quarantined version.
    """
    with store.snapshot() as session:
        version = None if name == BASE or (name == CHAMPION and fell_to_base(session)) else find_version(session, name)
    if version is None:
        return Target(BASE, settings.base, None, settings.system_prompt)
    return target_of(workspace, version)


def target_of(workspace: Workspace, version: Version) -> Target:
    folder = verified_directory(workspace, version)
    manifest = read_manifest(folder, verify=False)
    check_format(version, manifest["template_fingerprint"])
    return Target(version.id, version.base, folder, manifest["system_prompt"])


def check_format(version: Version, trained_with: str) -> None:
    """A model is served in the chat format it was trained in, or not at all."""
    if fingerprint(load_tokenizer(version.base)) != trained_with:
        raise ModelError(
            f"the tokenizer or chat template of base {version.base!r} changed since {version.id} was trained",
            "restore that base, or train again: heedful train",
        )


def load_network(target: Target, settings: Settings) -> "PreTrainedModel":
    device = choose_device(settings.device, count_parameters(resolve_base(target.base)))
    return load_with_adapter(target.base, target.adapter, device.name)


def load_companion(
    workspace: Workspace, target: Target, settings: Settings, store: Store, record: Record | None = None
) -> Companion:
    """Ready to talk to people: guarded as configured, and a danger reaches the team. The first turn waits for no guard."""
    if settings.guards.crisis and settings.guards.classifier:
        load_classifier()
    guards = guards_of(settings.guards, hand_over_to(store, settings.guards, target.name))
    warm_up(guards)
    engine, sampling = load_engine(workspace, target, settings), sampling_of(settings.generation)
    retrieve = retrieve_for(workspace, target, settings)
    told = told_in_service(workspace, target, settings)
    name = name_of(told, workspace.prompts, settings.prompt.values)
    return Companion(engine, told, sampling, guards, name, retrieve=retrieve, record=record)


def retrieve_for(workspace: Workspace, target: Target, settings: Settings) -> Retrieve | None:
    """The look-up in the team's documents; None where it is switched off."""
    return None if settings.knowledge.passages == 0 else from_documents(workspace, wanted_of(target.base, settings.knowledge))


def wanted_of(base: str, asked: KnowledgeSettings) -> Wanted:
    """What a turn looks up, counted in tokens of the base."""
    tokenizer = load_tokenizer(base)

    def count(text: str) -> int:
        return len(tokenizer.encode(text, add_special_tokens=False))

    room = int(context_length(base) * asked.room)
    support = asked.support if asked.attribute else None
    return Wanted(asked.passages, asked.collections, asked.floor, count, room, support)


def told_in_service(workspace: Workspace, target: Target, settings: Settings) -> str:
    """The system prompt of the training, unless `prompt.serve` asks for the configured one; a difference is logged."""
    difference = prompt_difference(workspace, target, settings)
    if difference:
        LOG.warning("%s", difference)
    return settings.system_prompt if settings.prompt.serve == "configured" else target.system_prompt


def prompt_difference(workspace: Workspace, target: Target, settings: Settings) -> str:
    """One line where a model was trained with another system prompt than is configured now; else nothing."""
    if target.system_prompt.strip() == settings.system_prompt.strip():
        return ""
    trained, configured = (
        name_of(text, workspace.prompts, settings.prompt.values) for text in (target.system_prompt, settings.system_prompt)
    )
    told = "the configured one" if settings.prompt.serve == "configured" else "that of its training"
    return f"{target.name} was trained with prompt {trained}, configured is {configured}; it is served with {told}"


def load_engine(workspace: Workspace, target: Target, settings: Settings) -> Engine:
    """The engine of `serving.engine`."""
    if settings.serving.engine == "upstream":
        return OpenAICompatibleEngine(target.name, upstream_of(settings.upstream, target.name))
    return load_local_engine(workspace, target, settings, settings.serving.engine)


def load_local_engine(workspace: Workspace, target: Target, settings: Settings, wanted: LocalSetting) -> Engine:
    """On this machine. With `auto`, what openvino gets wrong in eight bits is served in sixteen, and what it gets wrong in
    those by transformers; a warning says so."""
    serving = settings.serving
    if choose_engine(wanted, target.base, settings.device).name == "openvino":
        for weights in dict.fromkeys((serving.weights, DEFAULT_WEIGHTS)):
            try:
                return load_openvino_engine(
                    target.name, target.base, target.adapter, workspace.served, serving.cache_tokens, serving.threads, weights
                )
            except (ModelError, EngineError) as error:
                if wanted != "auto":
                    raise
                LOG.warning("%s is not served by openvino with %s weights: %s", target.name, weights, error.text)
    network = load_network(target, settings)
    return TransformersEngine(target.name, network, load_tokenizer(target.base), context_length(target.base))


def build_beside(workspace: Workspace, target: Target, settings: Settings) -> None:
    """What openvino needs and has not yet, built in a process behind whatever answers people meanwhile.

    A build that fails is not told here: whoever loads the model tries it again, and hears the reason.
    """
    wanted = settings.serving.engine
    if wanted == "upstream" or any(workspace.served.glob(f"{target.name}-*/{MODEL}")):
        return
    if choose_engine(wanted, target.base, settings.device).name == "openvino":
        build_apart(target.base, target.adapter, target.name, workspace.served, settings.serving.weights)


def upstream_of(settings: UpstreamSettings, model: str) -> Upstream:
    """Raises ConfigError when it is not named, or when words of people would leave the machine without their agreement."""
    if settings.url is None:
        raise ConfigError("serving.engine is upstream, but upstream.url is not set", "set upstream.url in heedful.yaml")
    host = urlsplit(settings.url).hostname
    if host is None or (not is_loopback(host) and not settings.people_agreed):
        raise ConfigError(
            f"upstream.url = {settings.url!r} is another machine, and the people served did not agree that their words go there",
            "ask them, then set upstream.people_agreed: true",
        )
    key = os.environ.get(settings.key)
    named = model if settings.model is None else settings.model
    return Upstream(settings.url, named, key if key else None, settings.fields, settings.timeout_s, settings.retries)


def guards_of(settings: GuardSettings, hand_over: HandOver | None = None) -> Guards:
    """Raises ConfigError for a country or a file of resources that cannot be used."""
    countries = load_countries(settings.resources)
    if settings.country is not None and settings.country not in countries:
        raise ConfigError(
            f"guards.country = {settings.country!r}: the table of services has {', '.join(sorted(countries))}",
            "add the country to a file of your own: guards.resources",
        )
    return Guards(
        crisis=settings.crisis,
        classifier=settings.classifier,
        country=settings.country,
        resources=settings.resources,
        kinds=frozenset(settings.reply),
        known=(*(f"https://{host}" for host in settings.hosts), *settings.numbers),
        ask_model=settings.ask_model,
        identify=find_others,
        hand_over=hand_over,
    )


def find_others(text: str) -> list[tuple[int, int]]:
    """Where a text names somebody: names, addresses, account numbers. Phones and web addresses have rules of their own."""
    found = find_identifiers(text)
    return [(one.start, one.end) for one in found if one.kind in OF_PEOPLE and one.score >= SURE]


def sampling_of(generation: GenerationSettings) -> Sampling:
    return Sampling(
        max_new_tokens=generation.max_new_tokens,
        temperature=generation.temperature,
        top_p=generation.top_p,
        repetition_penalty=generation.repetition_penalty,
        no_repeat_ngram=generation.no_repeat_ngram,
    )


def newest_or_named(store: Store, name: str | None) -> str:
    """The version that was asked for, or the newest clean one. Raises RegistryError when there is none."""
    if name is not None:
        return name
    with store.snapshot() as session:
        versions = [version for version in list_versions(session) if version.usable]
    if not versions:
        raise RegistryError("there is no trained model yet, or none that can be used", "heedful train")
    return versions[-1].id
