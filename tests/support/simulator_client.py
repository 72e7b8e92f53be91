"""A simple client of a simulated organization."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests

from pipelines.simulator import Behavior, Organization, Provider, Server, Sizes, generate


class Api:
    """A client with the holder's key, which follows no redirects."""

    def __init__(
        self, server: Server, holder: Organization | Provider, session: requests.Session
    ) -> None:
        self.server = server
        self.behavior = server.behavior
        self._session = session
        self._key = {"x-api-key": holder.api_key}

    def get(self, path: str, headers: dict[str, str] | None = None, **params: Any) -> Any:  # noqa: ANN401
        return self._session.get(
            self.server.base_url + path,
            params=params,
            headers=self._key | (headers or {}),
            allow_redirects=False,
            timeout=10,
        )

    def send(self, method: str, path: str, body: object = None, **params: Any) -> Any:  # noqa: ANN401
        url = self.server.base_url + path
        return self._session.request(
            method, url, json=body, params=params, headers=self._key, timeout=10
        )

    def rows(self, path: str, **params: Any) -> list[dict[str, Any]]:  # noqa: ANN401
        answer = self.get(path, **params)
        assert answer.status_code == 200, answer.text
        body = answer.json()
        rows: list[dict[str, Any]] = body["results"] if isinstance(body, dict) else body
        return rows

    def all_rows(self, path: str, **params: Any) -> list[dict[str, Any]]:  # noqa: ANN401
        """Read pages of 100 up to the total, even if a page is empty."""
        first = self.get(path, limit=100, **params)
        body = first.json()
        v1 = isinstance(body, dict)
        total = body["totalCount"] if v1 else int(first.headers["x-total-count"])
        rows = list(body["results"] if v1 else body)
        for skip in range(100, total, 100):
            rows += self.rows(path, limit=100, skip=skip, **params)
        return rows


@contextmanager
def serving(holder: Organization | Provider, behavior: Behavior | None = None) -> Iterator[Api]:
    with Server(holder, behavior=behavior) as server, requests.Session() as session:
        yield Api(server, holder, session)


def tiny() -> tuple[Organization, dict[str, str]]:
    """Return a very small organization, and its ids by name."""
    org = generate(7, Sizes.empty())
    ids = {
        "laptop": org.add_system(
            hostname="laptop",
            displayName="Anna's laptop",
            os="Windows",
            osFamily="windows",
            version="11 Pro",
            created="2024-02-01T08:15:30.125Z",
            lastContact=None,
            networkInterfaces=[
                {"name": "lo", "family": "IPv4", "address": "127.0.0.1", "internal": True},
                {"name": "eth0", "family": "IPv4", "address": "10.0.0.5", "internal": False},
                {"name": "vpn", "family": "IPv4", "address": "100.64.1.1", "internal": False},
            ],
        ),
        "server": org.add_system(
            hostname="server",
            displayName="",
            networkInterfaces=[
                {"name": "eth0", "family": "IPv4", "address": "10.0.0.5", "internal": False},
            ],
        ),
        "anna": org.add_user(username="anna", displayname="Anna", department="IT"),
        "ben": org.add_user(username="ben", displayname="Ben", state="STAGED"),
        "staff": org.add_group("Staff", "user_group"),
        "office": org.add_group("Office", description="All of it"),
        "empty": org.add_group("Empty"),
        "wiki": org.add_application(name="wiki", displayLabel="Wiki"),
    }
    org.add_member(ids["staff"], ids["anna"])
    org.add_member(ids["staff"], ids["ben"])
    org.add_member(ids["office"], ids["laptop"])
    sudo = {"enabled": True, "withoutPassword": False}
    org.bind(ids["office"], "user", ids["anna"], {"sudo": sudo, "Hello": "World"})
    org.bind(ids["office"], "user_group", ids["staff"], None)
    org.bind(ids["wiki"], "user_group", ids["staff"])
    return org, ids
