"""Sections of the configuration, a frozen class a room. Each option is declared here once: default, range and meaning."""

from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

MAIN_LANGUAGE, ANY_LANGUAGE = "auto", "any"


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DatasetSettings(Section):
    """How conversations become a dataset version."""

    min_characters: int = Field(2, ge=1, description="an answer shorter than this is dropped")
    max_characters: int = Field(8_000, ge=1, description="a conversation longer than this is dropped")
    split: tuple[float, float, float] = Field(
        (0.8, 0.1, 0.1),
        description="shares of train, validation and test, also written 80/10/10; 90/10 halves the rest: 90/5/5",
    )
    max_samples: int | None = Field(None, ge=10, description="at most so many conversations, drawn by seed; none means all")
    seed: int = Field(7, ge=0, description="decides the split and the sample")
    language: str = Field(
        MAIN_LANGUAGE,
        pattern="^(auto|any|[a-z]{2,3})$",
        description="auto drops what is not in the language of the large majority, any keeps all, a code such as en keeps that one",
    )
    awaiting_review: Literal["hold", "include"] = Field(
        "hold", description="hold keeps out what `heedful review` has not decided yet, include takes it in"
    )
    identifiers: Literal["replace", "keep"] = Field(
        "replace",
        description="replace: names, addresses, dates and the like become those of nobody; keep only what persons agreed to show",
    )
    augment: bool = Field(True, description="compose conversations of several turns from intents, for the training file only")
    canaries: bool = Field(
        False, description="plant made-up secrets 1, 4 and 16 times in training, so that the gate sees what is learned by heart"
    )
    knowledge: bool = Field(
        False, description="add examples that show passages of the documents as a turn does, and cite them; docs/knowledge.md"
    )
    workers: int | None = Field(None, ge=1, description="processes that build a dataset; none means by its size and the cores")

    @field_validator("split", mode="before")
    @classmethod
    def _read_per_cent(cls, given: Any) -> Any:
        """`80/10/10`, or `90/10`: training needs a validation part to stop in time, so the rest is halved."""
        if not isinstance(given, str):
            return given
        parts = [float(part) / 100 for part in given.split("/")]
        return (parts[0], parts[1] / 2, parts[1] / 2) if len(parts) == 2 else tuple(parts)

    @model_validator(mode="after")
    def _shares_add_up(self) -> "DatasetSettings":
        if abs(sum(self.split) - 1) > 1e-6 or min(self.split) <= 0:
            raise ValueError(f"split {list(self.split)} must be three positive shares that add up to 1")
        return self


class TrainingSettings(Section):
    """Overrides of the plan. None means: the plan decides from the data and the machine, and says why."""

    preset: Literal["default", "careful"] = Field(
        "default", description="careful: rsLoRA, more dropout, weight decay and less patience, against learning by heart"
    )
    strategy: Literal["auto", "fresh", "continue"] = Field(
        "auto",
        description="fresh: all of the dataset, from the base; continue: what is new, on a version; auto: fresh if affordable",
    )
    parent: str | None = Field(None, description="version, by id or alias, that is continued; none means the champion")
    replay: float | None = Field(
        None,
        ge=0,
        le=1,
        description="share of what was learned before that a continued training shows once more; none: by the cost of a fresh one",
    )
    budget_hours: float = Field(8.0, gt=0, description="auto trains fresh while the plan's estimate is within so many hours")
    epochs: float | None = Field(None, gt=0, description="passes over the training data")
    rank: int | None = Field(None, ge=1, description="LoRA rank r")
    alpha: float | None = Field(None, gt=0, description="LoRA alpha; the update is scaled by alpha / r")
    rslora: bool | None = Field(None, description="scale the update by alpha / sqrt(r) instead (rsLoRA)")
    quantization: Literal["none", "nf4"] = Field(
        "none", description="nf4 keeps the frozen base in 4 bits while it trains (QLoRA): a quarter of the memory, a slower step"
    )
    products: Literal["auto", "plain", "blocked", "int8"] = Field(
        "auto",
        description="how the packed core multiplies by the frozen base: blocked is exact, quicker and larger; int8 is rounded",
    )
    targets: list[str] | None = Field(
        None, min_length=1, description="linear modules that get an adapter, such as q_proj; none means all"
    )
    dropout: float | None = Field(None, ge=0, lt=1, description="LoRA dropout probability")
    learning_rate: float | None = Field(None, gt=0, description="peak learning rate of AdamW")
    weight_decay: float | None = Field(None, ge=0, description="AdamW weight decay")
    max_grad_norm: float | None = Field(None, gt=0, description="gradients longer than this are cut down to it")
    batch_size: int | None = Field(None, ge=1, description="conversations an optimiser step (the effective batch)")
    max_length: int | None = Field(None, ge=16, description="tokens a conversation; longer ones lose their oldest turns")
    patience: int | None = Field(None, ge=1, description="evaluations without improvement before training stops")
    seed: int = Field(7, ge=0, description="initial adapter weights and order of the data")


class GenerationSettings(Section):
    """Defaults of one companion reply."""

    max_new_tokens: int = Field(150, ge=1, le=8_192, description="tokens a reply at most")
    temperature: float = Field(0.7, ge=0, le=2, description="0 is greedy")
    top_p: float = Field(0.9, gt=0, le=1, description="nucleus of the distribution that is sampled from")
    repetition_penalty: float = Field(1.2, ge=1, le=2, description="applies to the reply, not to the prompt")
    no_repeat_ngram: int = Field(3, ge=0, description="no n-gram of this size twice in a reply; 0 switches it off")


Level = Literal["blocking", "advisory", "off"]


class CheckRule(Section):
    """What the gate asks of one check. What is not given is as the pack, or the check itself, has it."""

    limit: float | None = Field(None, description="what is measured must not pass it")
    slack: float | None = Field(None, ge=0, description="so far beyond the limit the true value may lie, with 95% certainty")
    least: int | None = Field(None, ge=1, description="with fewer replies or conversations the check says nothing")
    level: Level | None = Field(None, description="blocking refuses the promotion, advisory is only told, off is not looked at")


class GateSettings(Section):
    """What a version must show before it serves people. docs/gate.md tells a clinician what each means."""

    pack: Literal["support", "ketamine", "qa"] = Field(
        "support", description="which checks, and how strict; src/heedful/assets/gate"
    )
    checks: dict[str, CheckRule] = Field({}, description="rules of single checks, over the pack: {loops: {limit: 0.03}}")
    slack: float | None = Field(None, ge=0, description="slack of every check that counts shares; none means the pack's")
    prompts: int = Field(40, ge=1, description="held-out prompts that are answered")
    suites: tuple[str, ...] | None = Field(None, description="written suites that are asked as well; none given: those of the pack")
    valid_days: float = Field(30.0, gt=0, description="so long a passed evaluation allows a promotion")
    operators: tuple[str, ...] = Field((), description="who may promote against the gate, by login name; none named: everybody")
    second_person: bool = Field(False, description="a promotion against the gate waits until another operator approves it")
    approval_hours: float = Field(72.0, gt=0, description="so long such a promotion waits")


class JudgeSettings(Section):
    """A model that is asked yes/no questions about replies, by OpenAI's chat API. docs/gate.md says what it is sent."""

    url: str | None = Field(None, pattern="^https?://", description="its address; none: there is no judge")
    model: str = Field("judge", min_length=1, description="what the server calls it; must be of another family than the base")
    family: str | None = Field(None, description="its family, such as qwen or llama, where the name does not tell")
    prompts: int = Field(40, ge=1, description="replies that are put to it at most, to written prompts only")
    people_agreed: bool = Field(False, description="the people whose held-out words are asked agreed that they go to this address")


class ServingSettings(Section):
    """What computes the replies of `heedful serve` and `heedful chat`."""

    engine: Literal["auto", "openvino", "transformers", "upstream"] = Field(
        "auto", description="auto: openvino on a CPU where it knows the base, else transformers; upstream: the server of `upstream`"
    )
    threads: int | None = Field(None, ge=1, description="threads of openvino; none means OMP_NUM_THREADS, or a thread a core")
    weights: Literal["float16", "int8"] = Field(
        "float16", description="of openvino; int8 answers in two thirds of the time, and the gate then judges the rounded model"
    )
    cache_tokens: int = Field(
        16_384, ge=1_024, description="tokens of running replies and of what they began with that openvino keeps in memory"
    )


class KnowledgeSettings(Section):
    """What a turn looks up in the documents of `heedful knowledge add`. docs/knowledge.md says how."""

    passages: int = Field(3, ge=0, le=10, description="passages that the model is shown and may cite; 0: nothing is looked up")
    collections: tuple[str, ...] = Field((), description="collections that are looked through; none named: all")
    floor: float = Field(0.38, ge=-1, le=1, description="cosine that the nearest passage must reach, else there is no source")
    room: float = Field(0.35, gt=0, lt=1, description="share of the model's context that passages may take")
    attribute: bool = Field(True, description="a reply that cites nothing gets the numbers of the passages that support it")
    support: float = Field(0.65, ge=-1, le=1, description="cosine from which a passage supports a sentence, here and in datasets")


UpstreamField = Literal[
    "max_tokens",
    "max_completion_tokens",  # the same under OpenAI's new name
    "temperature",
    "top_p",
    "seed",
    "repetition_penalty",  # vLLM
    "repeat_penalty",  # llama-server
    "stream_options",
]


class UpstreamSettings(Section):
    """A server that speaks OpenAI's chat API and computes the replies: vLLM, Ollama, llama-server, Groq and others."""

    url: str | None = Field(None, pattern="^https?://", description="its address, such as http://127.0.0.1:11434/v1")
    model: str | None = Field(None, description="what it calls the model; none means as we do, such as m-1a2b3c4d5e")
    key: str = Field("HEEDFUL_UPSTREAM_KEY", description="name of the environment variable that holds its API key")
    fields: tuple[UpstreamField, ...] = Field(
        ("max_tokens", "temperature", "top_p", "seed", "stream_options"), description="what it may be sent beside the messages"
    )
    timeout_s: float = Field(60.0, gt=0, description="seconds it may take for each piece of a reply")
    retries: int = Field(3, ge=0, le=10, description="times it is asked again while nothing of a reply has come")
    people_agreed: bool = Field(
        False, description="all people served agreed that their words go to this address; needed by serving.engine: upstream only"
    )
    budget_s: float = Field(
        8.0, gt=0, description="in mode hosted or hybrid: seconds for its whole reply; then the local model answers"
    )
    failures: int = Field(3, ge=1, description="failures in a row after which it is left alone")
    pause_s: float = Field(30.0, gt=0, description="for so many seconds; then one turn tries it again")
    price_read: float = Field(0.0, ge=0, description="what it costs to read a million tokens, in the team's money")
    price_written: float = Field(0.0, ge=0, description="what it costs to write a million tokens")


class RoutingSettings(Section):
    """Which model answers which turn."""

    casual: str | None = Field(
        None, description="model of casual turns, such as base, an alias or an id; none: the champion answers all"
    )
    threshold: float | None = Field(None, ge=0, le=1, description="score from which a turn is therapeutic; none: the router's own")
    complex_words: int = Field(80, ge=1, description="in mode hybrid, a message of so many words is for the upstream")
    complex_questions: int = Field(3, ge=1, description="likewise one with so many questions")


class PromptSettings(Section):
    """The system prompt as a file with a version: NAME@VERSION.md in the folder `prompts`, or a packaged one."""

    name: str | None = Field(None, description="such as support@2, or support for its newest; stands in place of system_prompt")
    values: dict[str, str] = Field({}, description="of its variables: {name: Ada, team: Campus Line}")
    serve: Literal["trained", "configured"] = Field(
        "trained", description="trained: a model is told what it was told in training; configured: this prompt, with a warning"
    )


Mode = Literal["hosted", "hybrid", "local"]


class ServerSettings(Section):
    """Where `heedful serve` listens, and how much it lets in."""

    host: str = Field("127.0.0.1", description="address to bind; another than loopback needs `heedful keys create`")
    port: int = Field(8017, ge=0, le=65_535, description="0 lets the system choose")
    requests_per_minute: int | None = Field(None, ge=1, description="of one key, where the key itself says nothing; none: no limit")
    concurrent: int | None = Field(64, ge=1, description="requests of one key at the same time, likewise")
    origins: tuple[str, ...] = Field((), description="web pages that may ask from a browser, such as https://app.example.org")
    logs: Literal["plain", "json"] = Field(
        "plain",
        description="json: a line each request, turn and event on standard error, without text of people; plain: faults only",
    )
    otlp: str | None = Field(
        None, pattern="^https?://", description="where spans go, such as http://127.0.0.1:4318/v1/traces; none: there are none"
    )


class WorkerSource(Section):
    """Conversations that every run of the worker imports first: a file or a folder, or a query. Only what is new is added."""

    path: str | None = Field(None, description="file, folder or archive, from the folder of heedful.yaml on; or hf:owner/name")
    query: str | None = Field(None, description="SQL whose rows are the records; with `url`")
    url: str | None = Field(None, description="SQLAlchemy URL of its database, without a password")
    basis: Literal["consent", "owned", "public"] = Field(description="why the team may train on it; docs/privacy.md")
    purposes: tuple[Literal["training", "review", "chat"], ...] = Field(
        ("training",), min_length=1, description="what its persons agreed to, with the basis consent"
    )
    format: str | None = Field(None, description="how it is written; none: found from the content")
    skip_bad: bool = Field(False, description="leave bad rows out; else one of them refuses the source")

    @model_validator(mode="after")
    def _is_one_place(self) -> "WorkerSource":
        if (self.path is None) == (self.query is None) or (self.query is None) != (self.url is None):
            raise ValueError("must have a path, or a query and its url")
        return self


class WorkerSettings(Section):
    """When `heedful worker` trains by itself, and how much of the machine it takes."""

    schedule: str | None = Field(None, description="when to run, as a cron expression in UTC, such as '0 3 * * *'; none: never")
    after_conversations: int | None = Field(
        None, ge=1, description="run when so many new conversations may be trained on; none: never for that"
    )
    sources: tuple[WorkerSource, ...] = Field((), description="what every run imports first: {path, basis} or {query, url, basis}")
    retrain: bool = Field(
        True, description="run when an erasure quarantined a model, or a person whom the champion learned from withdrew"
    )
    threads: int | None = Field(
        None, ge=1, description="threads of a training; none means half of the cores, the server has the rest"
    )
    keep_versions: int = Field(
        3, ge=1, description="newest versions whose files stay; what has an alias, and what these stand on, stays anyway"
    )
    keep_days: int | None = Field(
        90, ge=1, description="days that traces of turns, kept replies, cells and learning curves stay; none: for ever"
    )
    database: str | None = Field(
        None,
        pattern="^(sqlite|postgresql)",
        description="URL where the steps of a run are kept; none means jobs.db in the workspace",
    )

    @field_validator("schedule")
    @classmethod
    def _is_cron(cls, given: str | None) -> str | None:
        if given is None:
            return None
        from croniter import croniter

        if len(given.split()) != 5 or not croniter.is_valid(given):
            raise ValueError("must be five fields: minute, hour, day of the month, month, day of the week")
        return given


ReplyRule = Literal[
    "chat_tag",  # a mark of the chat format, or a line that speaks for another role
    "system_prompt",  # eight words in a row from the instructions
    "loop",  # the reply says again what it said
    "diagnosis",  # the person is told what illness they have
    "dose",  # an amount or a schedule of a drug, or to change or stop one
    "human_claim",  # the companion speaks as a human being
    "credential_claim",  # ... or as a trained or licensed one
    "url",  # an address that is neither in the table of services nor in the conversation
    "phone",  # a phone number, likewise
    "email",  # a mail address, likewise
    "identifier",  # something that identifies a person who is not part of the conversation
]


class GuardSettings(Section):
    """What stands between a person and a model. docs/safety.md tells a clinician what each does."""

    crisis: bool = Field(True, description="a person in danger reads a template with people to call, not a model's words")
    classifier: bool = Field(True, description="the crisis guard's classifier beside its rules; 5 to 20 ms a turn")
    ask_model: bool = Field(
        False, description="ask the model itself as well whether the person is in danger; one more short generation a turn"
    )
    country: str | None = Field(
        None, pattern="^[A-Z]{2}$", description="where the people served live, such as IE; none: they are asked in a crisis"
    )
    resources: Path | None = Field(None, description="YAML file with the team's own, re-verified lines; see docs/safety.md")
    reply: tuple[ReplyRule, ...] = Field(get_args(ReplyRule), description="what is looked for in replies")
    hosts: tuple[str, ...] = Field((), description="web addresses that replies may name, such as example.org")
    numbers: tuple[str, ...] = Field((), description="phone numbers and mail addresses that replies may name")
    handover: bool = Field(True, description="a person in danger is reported to the team, without their words")
    handover_notify: tuple[str, ...] = Field(
        (), description="command that tells the team, word by word; it gets the report as JSON on its standard input"
    )
    handover_minutes: float = Field(10.0, gt=0, description="so long the team has to acknowledge a hand-over")
    handover_fallback: tuple[str, ...] = Field((), description="command that is run when nobody acknowledged in that time")
