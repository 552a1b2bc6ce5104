"""The matrix of generations and suites: what was forgotten, in numbers and words, the heat-map, and what stays empty."""

import json
from xml.etree import ElementTree

import pytest

from heedful.evaluation.charts import heat_level, heat_map, shortened
from heedful.evaluation.matrix import Generation, Suite, build_matrix, matrix_as_dict, matrix_to_json, plot, table
from heedful.modeling.likelihood import Nll

TOKENS = (10, 30, 20)
BASE, ONE, TWO = Generation("base", 0), Generation("m-1", 1), Generation("m-2", 2)
SLEEP, WORK = Suite("ds-1", "sleep", 3), Suite("ds-2", "work", 3)


def nll(*per_token: float) -> Nll:
    per_sample = [(value * count, count) for value, count in zip(per_token, TOKENS, strict=True)]
    return Nll(sum(nats for nats, _ in per_sample) / 60, 60, per_sample)


SCORES = {
    ("base", "ds-1"): nll(5.0, 5.0, 5.0),
    ("base", "ds-2"): nll(5.0, 5.0, 5.0),
    ("m-1", "ds-1"): nll(4.0, 4.0, 4.0),
    ("m-2", "ds-1"): nll(4.1, 4.2, 4.3),
    ("m-2", "ds-2"): nll(3.0, 3.0, 3.0),
}


def test_forgetting_is_measured_against_the_best_earlier_version() -> None:
    matrix = build_matrix([BASE, ONE, TWO], [SLEEP, WORK], SCORES)
    (lost,) = matrix.forgotten
    assert (lost.dataset, lost.best, lost.n) == ("ds-1", "m-1", 3)
    assert lost.nats == pytest.approx((1 + 6 + 6) / 60) and lost.share == pytest.approx(13 / 60 / 4)
    assert lost.interval == pytest.approx((0.1, 0.3))
    assert matrix.words == (
        "The most that was forgotten is of sleep (ds-1): 4.217 against 4.000 nats a token of m-1, +5.4%, more than chance explains."
    )
    assert [[None if cell is None else cell.nll for cell in row] for row in matrix.cells] == [
        [5.0, 5.0],
        [4.0, None],
        [pytest.approx(253 / 60), 3.0],
    ]
    assert matrix.cells[2][0] is not None and matrix.cells[2][0].n == 3 and matrix.cells[2][0].tokens == 60


def test_the_base_forgets_nothing_and_a_better_version_is_praised() -> None:
    first = build_matrix([BASE, ONE], [SLEEP], SCORES)
    assert first.forgotten == ()
    assert first.words == "There is no earlier round whose lessons could have been forgotten."
    better = build_matrix([BASE, ONE, TWO], [SLEEP], {**SCORES, ("m-2", "ds-1"): nll(3.9, 3.9, 3.9)}, ("m-0",))
    assert better.words.startswith("Nothing of the earlier rounds was forgotten; the nearest to it is sleep (ds-1): 3.900 against")
    assert better.words.endswith("Not compared, for they cannot be loaded any more: m-0.")
    unsure = build_matrix([BASE, ONE, TWO], [SLEEP], {**SCORES, ("m-2", "ds-1"): nll(3.0, 4.2, 4.3)})
    assert unsure.words.endswith("It may be chance.")


def test_what_is_not_finite_is_not_shown() -> None:
    broken = {**SCORES, ("m-2", "ds-1"): nll(float("nan"), 4.0, 4.0)}
    matrix = build_matrix([BASE, ONE, TWO], [SLEEP, WORK], broken)
    assert matrix.cells[2][0] is None and matrix.forgotten == ()


def test_as_a_table_and_as_json() -> None:
    matrix = build_matrix([BASE, ONE, TWO], [SLEEP, WORK], SCORES)
    columns, rows = table(matrix)
    assert columns == ["generation", "depth", "sleep", "work"]
    assert rows[1] == ["m-1", "1", "4", "–"]
    assert rows[-1] == ["forgotten", "", "+0.217 (+5.4%)", "–"]
    assert json.loads(matrix_to_json(matrix)) == json.loads(json.dumps(matrix_as_dict(matrix)))
    assert matrix_as_dict(matrix)["suites"][1] == {"dataset": "ds-2", "label": "work", "conversations": 3}


def test_the_heat_map_has_a_field_for_every_measured_cell() -> None:
    svg = ElementTree.fromstring(plot(build_matrix([BASE, ONE, TWO], [SLEEP, WORK], SCORES)))
    fields = svg.findall("rect")
    assert [field.get("class") for field in fields] == ["heat-5", "heat-5", "heat-0", "heat-3", "heat-0"]
    assert [text.text for text in svg.findall("text") if text.get("class") == "legend"] == [
        "5.000",
        "5.000",
        "4.000",
        "4.217",
        "3.000",
    ]
    assert [heat_level(value, 1.0) for value in (1.0, 1.004, 1.01, 1.04, 1.09, 1.19, 2.0)] == [0, 0, 1, 2, 3, 4, 5]
    assert "&lt;b&gt;" in heat_map(["<b>"], ["x"], [[1.0]])
    assert shortened("4_MPlus_Health_Topics_QA", 70) == "4_MPlus_H…" and shortened("short", 70) == "short"
