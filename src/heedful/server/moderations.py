"""POST /v1/moderations: texts go in; what the crisis guard makes of each, in OpenAI's categories, comes out.

Each text is judged as one message of a person. The guard looks for danger to the person and to others, for nothing else: the other
categories are false, with no kind of input applied to them. `heedful` beside them says the tier and the kinds in our own words.
"""

import asyncio
import uuid

from fastapi import APIRouter, Request

from heedful.guards import CrisisAssessment, assess_crisis
from heedful.server.access import allow
from heedful.server.body import read_json
from heedful.server.errors import ApiError, failures
from heedful.server.kinds import name, texts
from heedful.server.parameters import Parameter, check, request_body
from heedful.server.schemas import Danger, ModerationList, ModerationResult

MODEL = "heedful-guards"
SEEN = ("self-harm", "self-harm/intent", "violence")
UNSEEN = (
    "harassment", "harassment/threatening", "hate", "hate/threatening", "illicit", "illicit/violent", "self-harm/instructions",
    "sexual", "sexual/minors", "violence/graphic",
)  # fmt: skip
PARAMETERS = (
    Parameter("input", "used", texts(128, tokens=False), required=True),
    Parameter("model", "used", name()),
)


def moderations_router() -> APIRouter:
    router = APIRouter(dependencies=[allow()])

    @router.post("/v1/moderations", openapi_extra=request_body(PARAMETERS), responses=failures(400, 404, 413, 415))
    async def create_moderation(request: Request) -> ModerationList:
        """Whether a text tells of danger. `model` may be absent, ours, or the names that OpenAI's clients send by themselves."""
        asked = check(PARAMETERS, await read_json(request))
        model = asked.get("model", MODEL)
        if model != MODEL and not model.startswith(("omni-moderation-", "text-moderation-")):
            raise ApiError(404, f"Unknown model {model[:80]!r}; allowed: {MODEL}.", code="model_not_found", param="model")
        given = [asked["input"]] if isinstance(asked["input"], str) else asked["input"]
        judged = [await asyncio.to_thread(assess_crisis, [{"role": "user", "content": text}]) for text in given]
        return ModerationList(id=f"modr-{uuid.uuid4().hex}", model=MODEL, results=[result_of(found) for found in judged])

    return router


def result_of(found: CrisisAssessment) -> ModerationResult:
    serious = found.tier in ("passive", "active", "imminent")
    oneself = serious and bool({"suicide", "self_harm"} & set(found.kinds))
    flags = {
        "self-harm": oneself,
        "self-harm/intent": oneself and found.in_danger and not found.someone_else,
        "violence": serious and "harm_to_others" in found.kinds,
    }
    return ModerationResult(
        flagged=any(flags.values()),
        categories={**flags, **dict.fromkeys(UNSEEN, False)},
        category_scores={**{seen: found.score if flags[seen] else 0.0 for seen in SEEN}, **dict.fromkeys(UNSEEN, 0.0)},
        category_applied_input_types={**{seen: ["text"] for seen in SEEN}, **{unseen: [] for unseen in UNSEEN}},
        heedful=Danger(tier=found.tier, kinds=list(found.kinds), explicit=found.explicit),
    )
