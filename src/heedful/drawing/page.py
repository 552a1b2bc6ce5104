"""Page: a package in; its page templates out, with the style sheet and number format that all pages of Heedful share."""

from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from heedful.drawing.scale import number


def page_templates(package: str) -> Environment:
    """`{{ style }}` is the style sheet, `| number` three decimals at most. An unknown name in a template is an error."""
    environment = Environment(
        loader=PackageLoader(package, ""), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["number"] = number
    environment.globals["style"] = Markup(files("heedful.drawing").joinpath("page.css").read_text(encoding="utf-8"))
    return environment
