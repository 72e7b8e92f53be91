"""Every answer has the shape of JumpCloud's own Swagger files and of its newer specification."""

import json
from functools import cache
from typing import Any, Literal

import jsonschema
import pytest

from pipelines.config.integration import ALL_TARGETS
from pipelines.jumpcloud.endpoints import ENDPOINTS
from pipelines.simulator import Organization, Sizes, generate
from tests.support import DATA
from tests.support.console_api import SPECIFICATION
from tests.support.edge_cases import edge_cases
from tests.support.simulator_client import serving

SWAGGER = json.loads((DATA / "swagger_responses.json").read_text())


def _nullable(schema: Any, *, name: str = "") -> Any:  # noqa: ANN401
    """Allow null except for ids, types, edges and paths, as in real answers."""
    if isinstance(schema, list):
        return [_nullable(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    changed = {
        key: {n: _nullable(s, name=n) for n, s in value.items()}
        if key == "properties"
        else _nullable(value)
        for key, value in schema.items()
    }
    required = not name or name in {"id", "_id", "type", "to", "paths", "results", "totalCount"}
    if required and not schema.get("x-nullable"):
        return changed
    return {"anyOf": [changed, {"type": "null"}]}


DEFINITIONS = {name: _nullable(schema) for name, schema in SWAGGER["definitions"].items()}
SCHEMAS = {name: _nullable(schema) for name, schema in SPECIFICATION["schemas"].items()}


def _check(endpoint: str, answer: Any) -> None:  # noqa: ANN401
    assert answer.status_code == 200, answer.text
    document = answer.json()
    if endpoint in SWAGGER["paths"]:  # without the newest operations
        _swagger_validator(endpoint).validate(document)
    _validator(endpoint).validate(document)


@cache
def _swagger_validator(endpoint: str) -> jsonschema.Draft4Validator:
    schema = {"definitions": DEFINITIONS} | _nullable(SWAGGER["paths"][endpoint])
    return jsonschema.Draft4Validator(schema)


@cache
def _validator(endpoint: str) -> jsonschema.Draft202012Validator:
    schema = _nullable(SPECIFICATION["operations"][endpoint]["response"])
    return jsonschema.Draft202012Validator({"schemas": SCHEMAS} | schema)


LISTS = {
    "/api/commands",
    "/api/v2/usergroups",
    "/api/v2/policies",
    "/api/v2/policygroups",
    "/api/v2/roles",
    "/api/v2/service-accounts",
} | {endpoint.path for endpoint in ENDPOINTS.values() if not endpoint.parent}


@pytest.mark.parametrize("path", sorted(LISTS))
def test_lists_match_the_swagger_files(path: str) -> None:
    with serving(generate()) as api:
        for skip in (0, 100, 10_000):
            _check(f"GET {path}", api.get(path, limit=100, skip=skip))


@pytest.mark.parametrize("org", [generate(), edge_cases()], ids=["company", "edge cases"])
def test_graph_matches_the_swagger_files(org: Organization) -> None:
    with serving(org) as api:
        for group_id in org.system_groups.keys() - org.vanished:
            group, path = "GET /api/v2/systemgroups/{id}", f"/api/v2/systemgroups/{group_id}"
            _check(group, api.get(path))
            for part in ("members", "membership", "users"):
                _check(f"{group}/{part}", api.get(f"{path}/{part}", limit=100))
            for target in ALL_TARGETS:
                answer = api.get(f"{path}/associations", targets=target, limit=100)
                _check(f"{group}/associations", answer)
        for group_id in org.user_groups:
            group, path = "GET /api/v2/usergroups/{id}", f"/api/v2/usergroups/{group_id}"
            _check(group, api.get(path))
            for part in ("members", "membership"):
                _check(f"{group}/{part}", api.get(f"{path}/{part}", limit=100))
        for kind, records, bound in (
            ("usergroups", org.user_groups, "system"),
            ("users", list(org.users)[:50], "system"),
            ("systems", list(org.systems)[:50], "user"),
        ):
            for record_id in records:
                path = f"/api/v2/{kind}/{record_id}/associations"
                answer = api.get(path, targets=bound, limit=100)
                _check(f"GET /api/v2/{kind}/{{id}}/associations", answer)
        for application_id in org.applications.keys() - org.vanished:
            answer = api.get(f"/api/v2/applications/{application_id}/users", limit=100)
            _check("GET /api/v2/applications/{id}/users", answer)


@pytest.mark.parametrize("shown", ["lists", "never"])
def test_service_account_matches_the_specification(shown: Literal["lists", "never"]) -> None:
    org = generate(1, Sizes.empty())
    org.account.shown = shown
    with serving(org) as api:
        path = "/api/v2/service-accounts"
        for row in api.rows(path, limit=100):
            record = api.get(f"{path}/{row['objectId']}").json()["serviceAccount"]
            _validator(f"GET {path}/{{id}}").validate(record)


def test_searches_match_the_swagger_files() -> None:
    with serving(generate()) as api:
        for name in ("systems", "systemusers"):
            path = f"/api/search/{name}"
            _check(f"POST {path}", api.send("POST", path, {}, limit=1000))


def test_bodies_are_utf_8_json() -> None:
    with serving(edge_cases()) as api:
        answer = api.get("/api/systems", limit=100, sort="_id", fields="displayName")
        assert answer.headers["content-type"] == "application/json; charset=utf-8"
        assert "شركة" not in answer.text
        assert "محمد العلي" in answer.content.decode("utf-8")


def test_reports_match_the_specification() -> None:
    with serving(generate(1, Sizes.empty())) as api:
        path = "/insights/directory/v1/reports"
        requested = api.send("POST", f"{path}/users-to-devices", {})
        assert requested.status_code == 202
        _validator(f"POST {path}/users-to-devices").validate(requested.json())
        for _ in range(2):
            _validator(f"GET {path}").validate(api.get(path).json())
