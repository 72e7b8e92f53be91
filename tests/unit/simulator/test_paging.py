"""Paging, order and projection in the dialect of each API version."""

from typing import Any

import pytest

from pipelines.simulator import Behavior, Sizes, generate
from tests.support.edge_cases import edge_cases
from tests.support.simulator_client import serving, tiny

SYSTEMS = Sizes(systems=250, users=3, system_groups=30, user_groups=2, applications=2)


def test_page_has_ten_rows_by_default_and_at_most_100() -> None:
    with serving(generate(1, SYSTEMS)) as api:
        assert len(api.rows("/api/systems")) == 10
        assert len(api.rows("/api/systems", limit=1000)) == 100
        assert len(api.rows("/api/v2/systemgroups")) == 10


def test_total_is_in_the_v1_body_and_the_v2_header() -> None:
    with serving(generate(1, SYSTEMS)) as api:
        beyond = api.get("/api/systems", skip=300)
        assert beyond.json() == {"totalCount": 250, "results": []}
        assert "x-total-count" not in beyond.headers
        beyond = api.get("/api/organizations", skip=1)
        assert beyond.json() == {"totalCount": 1, "results": []}
        beyond = api.get("/api/v2/systemgroups", skip=300)
        assert beyond.json() == []
        assert beyond.headers["x-total-count"] == "30"


def test_totals_and_links_can_be_switched_off() -> None:
    with serving(generate(1, SYSTEMS), Behavior(totals=False, link_header=False)) as api:
        headers = api.get("/api/v2/systemgroups").headers
        assert "x-total-count" not in headers
        assert "link" not in headers


def test_only_group_lists_link_to_the_next_page() -> None:
    with serving(generate(1, SYSTEMS)) as api:
        link = api.get("/api/v2/systemgroups", sort="name", limit=20).headers["link"]
        following = api.get(link.split(">")[0][1:])
        assert len(following.json()) == 10
        assert "link" not in following.headers
        assert "link" not in api.get("/api/v2/policies").headers


@pytest.mark.parametrize("params", [{"skip": -1}, {"limit": -1}, {"limit": "ten"}])
def test_invalid_page_parameters_are_refused(params: dict[str, Any]) -> None:
    with serving(generate(1, Sizes.empty())) as api:
        assert api.get("/api/systems", **params).status_code == 400
        assert api.get("/api/v2/systemgroups", **params).status_code == 400


def test_sorted_list_is_read_completely() -> None:
    org = generate(1, SYSTEMS)
    with serving(org) as api:
        systems = api.all_rows("/api/systems", sort="_id", fields="hostname")
        assert [row["_id"] for row in systems] == sorted(org.systems)
        names = [row["name"] for row in api.all_rows("/api/v2/systemgroups", sort="-name")]
        assert names == sorted(names, reverse=True)


def test_unsorted_list_changes_order_between_pages() -> None:
    org = generate(1, SYSTEMS)
    with serving(org) as api:
        rows = api.all_rows("/api/systems", fields="hostname")
        assert len(rows) == 250
        assert len({row["id"] for row in rows}) < 250


def test_members_and_users_have_a_stable_order() -> None:
    org = generate(1, SYSTEMS)
    group_id = next(iter(org.system_groups))
    with serving(org) as api:
        rows = api.all_rows(f"/api/v2/systemgroups/{group_id}/members")
        assert [row["to"]["id"] for row in rows] == list(org.members[group_id])


def test_comma_lists_are_ignored_by_v1_and_split_by_v2() -> None:
    org, _ = tiny()
    with serving(org) as api:
        by_comma = api.rows("/api/systems", fields="hostname,os", limit=1)[0]
        assert "version" in by_comma
        by_space = api.rows("/api/systems", fields="hostname os", sort="_id", limit=1)[0]
        assert list(by_space) == ["_id", "id", "hostname", "os"]
        group = api.rows("/api/v2/systemgroups", fields="name,type", limit=1)[0]
        assert list(group) == ["id", "name", "type"]


def test_group_list_cannot_be_sorted_by_id() -> None:
    org, _ = tiny()
    with serving(org) as api:
        for sort in ("id", "_id", "-id", "nonsense"):
            assert api.get("/api/v2/systemgroups", sort=sort).status_code == 400
        for sort in ("type", "membershipMethod", "name,type"):
            assert api.get("/api/v2/systemgroups", sort=sort).status_code == 200


def test_unstable_ties_swap_records_of_equal_name() -> None:
    org, _ = tiny()
    org.add_group("Office")
    with serving(org, Behavior(unstable_ties=True)) as api:
        first, second = (api.rows("/api/v2/systemgroups", sort="name") for _ in range(2))
        assert [row["name"] for row in first] == [row["name"] for row in second]
        assert [row["id"] for row in first] != [row["id"] for row in second]


def test_filters_select_records() -> None:
    org, ids = tiny()
    with serving(org) as api:
        found = api.rows("/api/systems", filter="hostname:$eq:laptop")
        assert [row["id"] for row in found] == [ids["laptop"]]
        both = ["hostname:$eq:laptop", "os:$eq:Ubuntu"]
        assert api.rows("/api/systems", filter=both) == []
        found = api.rows("/api/v2/systemgroups", filter="name:search:off")
        assert [row["name"] for row in found] == ["Office"]
        assert api.get("/api/systems", filter="nonsense").status_code == 400


def test_search_query_string_overrides_the_body() -> None:
    org = generate(1, SYSTEMS)
    with serving(org) as api:
        body = {"limit": 10, "skip": 5, "fields": "hostname", "sort": "_id"}
        rows = api.send("POST", "/api/search/systems", body, limit=1000, skip=200).json()
        assert [row["id"] for row in rows["results"]] == sorted(org.systems)[200:]
        rows = api.send("POST", "/api/search/systems", body).json()["results"]
        assert [row["id"] for row in rows] == sorted(org.systems)[5:15]
        assert list(rows[0]) == ["_id", "id", "hostname"]


def test_search_filters_select_records() -> None:
    org, ids = tiny()
    with serving(org) as api:
        for conditions in (
            {"filter": ["hostname:$eq:laptop"]},
            {"filter": {"or": [{"hostname": "laptop"}, {"hostname": "none"}]}},
            {"filter": {"and": [{"hostname": "laptop"}]}},
            {"searchFilter": {"searchTerm": "LAPT", "fields": ["hostname"]}},
        ):
            body = conditions | {"fields": ["hostname"]}
            rows = api.send("POST", "/api/search/systems", body).json()["results"]
            assert rows == [{"_id": ids["laptop"], "id": ids["laptop"], "hostname": "laptop"}]


def test_search_can_be_disabled() -> None:
    with serving(generate(1, SYSTEMS), Behavior(search=False)) as api:
        assert api.send("POST", "/api/search/systems", {}).status_code == 404


def test_unknown_ids_answer_404_and_malformed_ids_400() -> None:
    org, ids = tiny()
    with serving(org) as api:
        for path in ("/api/v2/systemgroups/" + "0" * 24, "/api/v2/nothing", "/nothing"):
            assert api.get(path).status_code == 404
        for part in ("", "/members", "/users"):
            answer = api.get(f"/api/v2/systemgroups/5df3{part}")
            assert answer.status_code == 400
            assert answer.json() == {"message": 'Bad Request: invalid object id "5df3"'}
        assert api.get(f"/api/v2/systemgroups/{ids['office']}/nothing").status_code == 404
        assert api.get(f"/api/v2/applications/{ids['wiki']}").status_code == 404


def test_targets_must_be_one_known_type() -> None:
    org, ids = tiny()
    path = f"/api/v2/systemgroups/{ids['office']}/associations"
    with serving(org) as api:
        wrong: list[dict[str, Any]] = [
            {},
            {"targets": ""},
            {"targets": "application"},
            {"targets": "user,x"},
        ]
        for params in wrong:
            assert api.get(path, **params).status_code == 400
        comma: dict[str, int] = {}
        assert api.get(path, targets="user,user_group").status_code == 400
        api.behavior.comma_targets = "accepted"
        comma["accepted"] = len(api.rows(path, targets="user,user_group"))
        api.behavior.comma_targets = "first_only"
        comma["first_only"] = len(api.rows(path, targets="user,user_group"))
        assert comma == {"accepted": 2, "first_only": 1}


def test_deleted_members_leave_short_and_empty_pages() -> None:
    org = edge_cases()
    group_id = next(i for i, group in org.system_groups.items() if group["name"] == "Full of holes")
    path = f"/api/v2/systemgroups/{group_id}/members"
    with serving(org) as api:
        # Lists deliver one of the first 50 members twice.
        pages = [len(api.rows(path, limit=100, skip=skip)) for skip in range(0, 600, 100)]
        assert pages == [51, 0, 0, 20, 0, 0]
        assert api.get(path).headers["x-total-count"] == "522"
        assert len(api.rows(path.replace("members", "membership"), limit=100)) == 51


def test_vanished_group_is_listed_but_not_found() -> None:
    org = edge_cases()
    (group_id,) = org.vanished & org.system_groups.keys()
    with serving(org) as api:
        assert group_id in {row["id"] for row in api.all_rows("/api/v2/systemgroups", sort="name")}
        for part in ("", "/members", "/users", "/associations?targets=user"):
            assert api.get(f"/api/v2/systemgroups/{group_id}{part}").status_code == 404


def test_users_list_every_granting_path() -> None:
    org, ids = tiny()
    with serving(org) as api:
        rows = api.rows(f"/api/v2/systemgroups/{ids['office']}/users")
    sudo = {"sudo": {"enabled": True, "withoutPassword": False}, "Hello": "World"}
    staff = {
        "attributes": None,
        "to": {"attributes": None, "id": ids["staff"], "type": "user_group"},
    }
    anna = {"attributes": None, "id": ids["anna"], "type": "user"}
    ben = {"attributes": None, "id": ids["ben"], "type": "user"}
    assert rows == [
        {
            "id": ids["anna"],
            "type": "user",
            "compiledAttributes": sudo,
            "paths": [
                [{"attributes": sudo, "to": anna}],
                [staff, {"attributes": None, "to": anna}],
            ],
        },
        {
            "id": ids["ben"],
            "type": "user",
            "compiledAttributes": None,
            "paths": [[staff, {"attributes": None, "to": ben}]],
        },
    ]
