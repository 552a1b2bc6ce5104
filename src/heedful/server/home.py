"""GET /: routes and the catalog's cards go in, a plain page comes out that says what this is and what can be asked."""

from html import escape

from fastapi import APIRouter, FastAPI, Request
from starlette.responses import HTMLResponse, Response

from heedful.server.access import allow
from heedful.server.catalog import Catalog

PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Heedful</title>
<h1>Heedful</h1>
<p>A companion of this team's own, served with OpenAI's API. It is not a therapist and not a medical device.</p>
<h2>Endpoints</h2><ul>{endpoints}</ul>
<h2>Models</h2><ul>{models}</ul>
</html>
"""


def home_router(catalog: Catalog) -> APIRouter:
    router = APIRouter(dependencies=[allow()])

    @router.get("/", response_class=Response, responses={200: {"content": {"text/html": {"schema": {"type": "string"}}}}})
    def show_home(request: Request) -> HTMLResponse:
        """What this server is, for a person."""
        described: FastAPI = request.app
        paths = described.openapi()["paths"]
        endpoints = [f"{method.upper()} {path}" for path, methods in paths.items() for method in methods]
        models = [", ".join((card.id, *card.aliases)) for card in catalog.cards()]
        return HTMLResponse(PAGE.format(endpoints=items(endpoints), models=items(models or ["none yet"])))

    return router


def items(lines: tuple[str, ...] | list[str]) -> str:
    return "".join(f"<li><code>{escape(line)}</code></li>" for line in lines)
