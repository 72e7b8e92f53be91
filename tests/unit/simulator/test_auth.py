"""Keys and organizations are checked before everything else."""

import requests

from pipelines.simulator import Behavior, Fault, Server, Sizes, generate
from tests.support.simulator_client import serving


def test_request_without_key_is_redirected_to_login() -> None:
    with Server(generate(1, Sizes.empty())) as server:
        for path in ("/api/systems", "/api/nothing"):
            url = server.base_url + path
            answer = requests.get(url, allow_redirects=False, timeout=10)
            assert (answer.status_code, answer.headers["location"]) == (302, "/login")
        followed = requests.get(server.base_url + "/api/systems", timeout=10)
        assert followed.status_code == 200
        assert followed.headers["content-type"].startswith("text/html")


def test_unknown_key_is_refused_on_every_path() -> None:
    with serving(generate(1, Sizes.empty())) as api:
        for path in ("/api/systems", "/api/nothing"):
            answer = api.get(path, {"x-api-key": "jca_of_nobody"})
            assert answer.status_code == 401
            assert answer.json() == {
                "error": "Unauthorized",
                "message": "Unauthorized: api key user not found",
            }


def test_key_reads_its_own_organization() -> None:
    one, other = generate(1, Sizes.empty()), generate(2, Sizes.empty())
    with Server(one, other) as server:
        for org in (one, other):
            url = f"{server.base_url}/api/organizations"
            answer = requests.get(url, headers={"x-api-key": org.api_key}, timeout=10)
            assert answer.json() == {"totalCount": 1, "results": [org.record()]}


def test_organization_header_must_match_the_key() -> None:
    org, other = generate(1, Sizes.empty()), generate(2, Sizes.empty())
    with serving(org) as api:
        status = {
            value: api.get("/api/systems", {"x-org-id": value}).status_code
            for value in ("", org.id, other.id, "not-hex")
        }
        assert status == {"": 200, org.id: 200, other.id: 404, "not-hex": 400}
        assert api.get("/api/organizations", {"x-org-id": org.id}).status_code == 403


def test_keys_are_random_and_not_recorded_in_calls() -> None:
    org = generate(1, Sizes.empty())
    assert org.api_key.startswith("jca_")
    assert len(org.api_key) >= 40
    assert org.api_key != generate(1, Sizes.empty()).api_key
    with serving(org) as api:
        api.get("/api/systems", {"Authorization": "Bearer something"})
        assert org.api_key not in repr(api.server.calls)
        assert "Bearer" not in repr(api.server.calls)


def test_only_denied_collections_answer_403() -> None:
    org = generate(1, Sizes(systems=1, users=1, system_groups=1))
    group_id = next(iter(org.system_groups))
    with serving(org, Behavior(denied={"systems", "systemgroups/users"})) as api:
        assert api.get("/api/systems").status_code == 403
        assert api.send("POST", "/api/search/systems", {}).status_code == 403
        assert api.get("/api/v2/systemgroups").status_code == 200
        assert api.get(f"/api/v2/systemgroups/{group_id}/members").status_code == 200
        assert api.get(f"/api/v2/systemgroups/{group_id}/users").status_code == 403


def test_writes_are_refused_and_recorded() -> None:
    with serving(generate(1, Sizes.empty())) as api:
        for method, path in (("POST", "/api/systems"), ("DELETE", "/api/v2/systemgroups")):
            assert api.send(method, path).status_code == 405
        assert api.send("POST", "/api/search/systems", {}).status_code == 200
        written = [(call.method, call.path) for call in api.server.writes]
        assert written == [("POST", "/api/systems"), ("DELETE", "/api/v2/systemgroups")]


def test_fault_needs_an_authenticated_call() -> None:
    fault = Fault("/api", "status")
    with Server(generate(1, Sizes.empty()), behavior=Behavior(faults=[fault])) as server:
        url = server.base_url + "/api/systems"
        assert requests.get(url, allow_redirects=False, timeout=10).status_code == 302
        assert fault.fired == 0
