"""Records of a response become rows, or the response is refused."""

import pytest

from pipelines.jumpcloud.endpoints import (
    APPLICATIONS,
    SYSTEMGROUPS_USERS,
    SYSTEMS,
    Endpoint,
    ListId,
)
from pipelines.jumpcloud.errors import MalformedError
from pipelines.jumpcloud.paginator import OffsetPaginator
from pipelines.jumpcloud.parsing import Page, parse_page
from pipelines.jumpcloud.responses import Json, Response

GROUP = "64b0c0de0000000000000a01"
LIMIT = 2


def make_id(number: int) -> str:
    return f"64b0c0de{number:016x}"


def parse(endpoint: Endpoint, document: Json, total: int | None = None) -> Page:
    return parse_page(endpoint, GROUP, Response(document, total), 0, LIMIT)


@pytest.mark.parametrize(
    ("endpoint", "document", "total"),
    [
        (APPLICATIONS, {"results": None, "totalCount": 0}, None),
        (SYSTEMGROUPS_USERS, None, 0),
    ],
)
def test_null_with_total_zero_is_an_empty_list(
    endpoint: Endpoint, document: Json, total: int | None
) -> None:
    page = parse(endpoint, document, total)
    assert (page.total, page.keys, page.rows.num_rows) == (0, (), 0)


@pytest.mark.parametrize(
    ("endpoint", "document", "total"),
    [
        (APPLICATIONS, {"results": None, "totalCount": 1}, None),
        (APPLICATIONS, {"results": None}, None),
        (APPLICATIONS, {"totalCount": 0}, None),
        (APPLICATIONS, None, None),
        (SYSTEMGROUPS_USERS, None, 1),
        (SYSTEMGROUPS_USERS, None, None),
        (SYSTEMGROUPS_USERS, {"results": []}, 0),
    ],
)
def test_anything_else_but_a_list_is_refused(
    endpoint: Endpoint, document: Json, total: int | None
) -> None:
    with pytest.raises(MalformedError, match="the response is not a list of records"):
        parse(endpoint, document, total)


def test_more_records_than_requested_are_refused() -> None:
    records: list[Json] = [{"_id": make_id(number)} for number in range(LIMIT + 1)]
    with pytest.raises(MalformedError, match="applications: 3 records came, but 2 were requested"):
        parse(APPLICATIONS, {"totalCount": 3, "results": records})


def test_records_without_object_id_are_refused_by_name() -> None:
    records: list[Json] = [{"id": make_id(1), "type": "user"}, {"id": "../admin", "type": "user"}]
    message = (
        f"/api/v2/systemgroups/{GROUP}/users: 1 of 2 records have an id that does not have 24 "
        r"hexadecimal digits: '\.\./admin'"
    )
    with pytest.raises(MalformedError, match=message):
        parse(SYSTEMGROUPS_USERS, records, 2)


def test_value_of_another_type_is_lost_by_field_and_row() -> None:
    known: dict[str, Json] = {"_id": make_id(1), "fde": {"active": True}, "created": "2024-02-01"}
    odd: dict[str, Json] = {
        "_id": make_id(2),
        "active": "true",
        "agentVersion": 2.5,
        "created": 1_700_000_000,
        "fde": {"active": 1},
        "hostname": {"name": "x"},
        "mdm": "",
        "networkInterfaces": [{"address": ["10.0.0.1"], "internal": False}],
        "policyStats": [{"failed": 1}],
        "primarySystemUser": None,
    }
    page = parse(SYSTEMS, {"totalCount": 2, "results": [known, odd]})
    names = ("active", "created", "fde.active", "hostname", "networkInterfaces.address")
    assert page.lost == dict.fromkeys((*names, "policyStats"), frozenset({(make_id(2),)}))
    first, second = page.rows.to_pylist()
    assert (first["fde"]["active"], first["created"]) == (True, "2024-02-01")
    assert (second["fde"], second["agentVersion"]) == ({"active": None, "keyPresent": None}, "2.5")
    assert second["networkInterfaces"][0]["internal"] is False


def test_page_of_known_types_loses_nothing() -> None:
    page = parse(SYSTEMS, {"totalCount": 1, "results": [{"_id": make_id(1), "mdm": ""}]})
    assert page.lost == {}


def test_lost_value_of_a_row_in_two_pages_counts_once() -> None:
    records: list[Json] = [{"_id": make_id(number), "fde": "on"} for number in range(3)]
    paginator = OffsetPaginator(ListId("systems"), LIMIT)
    waiting = paginator.start()
    while waiting:
        skip = waiting.pop()
        document: Json = {"totalCount": len(records), "results": records[skip : skip + LIMIT]}
        waiting += paginator.accept(parse_page(SYSTEMS, "", Response(document, None), skip, LIMIT))
    assert paginator.result
    assert (paginator.result.pages, paginator.result.lost_values) == (2, {"fde": 3})
