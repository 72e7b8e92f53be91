"""Pull an organization with dlt: its `rest_api` source into DuckDB.

Run by the Python of dlt's own environment, with one argument: the job as JSON (see
`benchmarks/cases/peers.py`).

Configured as documented: `parallelized` resources, `EXTRACT__WORKERS` for the calls in
flight, transformers for the lists of each group, `max_table_nesting` so that lists inside records
become JSON columns, which is cheaper than tables of their own, and Parquet for loading, which is
three times as fast as the default of INSERT statements. Its declared paginators cannot:
- page by the header `x-total-count`: `OffsetPaginator` reads totals from bodies only. So `paging`
  is "empty page", the declared way for a bare array, or "total", a paginator of our own after the
  documentation's example.
- request the pages of one list at the same time.
"""

import json
import os
import sys
from typing import Any

import dlt
from dlt.sources.helpers.requests import Request, Response
from dlt.sources.helpers.rest_client.paginators import BasePaginator
from dlt.sources.rest_api import RESTAPIConfig, rest_api_source

PAGE_SIZE = 100
Config = dict[str, Any]


class TotalPaginator(BasePaginator):
    """A paginator by offset up to the total of the header `x-total-count`."""

    def __init__(self) -> None:
        super().__init__()
        self.skip = 0

    def init_request(self, request: Request) -> None:
        """Request the first page."""
        self.skip, self._has_next_page = 0, True
        self.update_request(request)

    def update_state(self, response: Response, data: list[Any] | None = None) -> None:  # noqa: ARG002
        """Continue unless the page was the last."""
        self.skip += PAGE_SIZE
        self._has_next_page = self.skip < int(response.headers["x-total-count"])

    def update_request(self, request: Request) -> None:
        """Request the next page."""
        request.params |= {"limit": PAGE_SIZE, "skip": self.skip}


def main() -> None:
    """Pull everything once."""
    job = json.loads(sys.argv[1])
    pipeline = dlt.pipeline(
        "jumpcloud",
        pipelines_dir=job["folder"],
        destination=dlt.destinations.duckdb(job["database"]),
        dataset_name="jumpcloud",
    )
    source = rest_api_source(configuration(job), name="jumpcloud", max_table_nesting=0)
    loaded = pipeline.run(source, write_disposition="replace", loader_file_format="parquet")
    loaded.raise_on_failed_jobs()


def configuration(job: Config) -> RESTAPIConfig:
    """Return the declared source: the client, and one resource per list."""
    fields = job["fields"]
    paginator = TotalPaginator() if job["paging"] == "total" else offset_paginator(None)
    group = "/api/v2/systemgroups/{resources.systemgroups.id}"
    paths = {
        "systemgroups": "/api/v2/systemgroups",
        "members": f"{group}/members",
        "users": f"{group}/users",
        "associations": f"{group}/associations",
    }
    parameters = {
        "systemgroups": {"sort": "name", "fields": fields["systemgroups"]},
        "associations": {"targets": "user"},
    }
    arrays = [
        resource(name, path, "$", parameters.get(name, {}), paginator)
        for name, path in paths.items()
    ]
    for each in arrays[1:]:
        each["include_from_parent"] = ["id"]
    results = [
        resource(name, f"/api/{name}", "results", v1, offset_paginator("totalCount"))
        for name in ("systems", "systemusers", "applications")
        for v1 in [{"sort": "_id", "fields": fields[name]}]
    ]
    key = os.environ[job["key_variable"]]
    auth = {"type": "api_key", "name": "x-api-key", "api_key": key, "location": "header"}
    client = {"base_url": job["base_url"], "auth": auth}
    return {"client": client, "resources": [*arrays, *results]}  # type: ignore[typeddict-item]  # built of parts


def offset_paginator(total_path: str | None) -> Config:
    """Return the declared paginator: to the total of the body, or until a page is empty."""
    return {
        "type": "offset",
        "limit": PAGE_SIZE,
        "offset_param": "skip",
        "limit_param": "limit",
        "total_path": total_path,
    }


def resource(
    name: str,
    path: str,
    selector: str,
    parameters: dict[str, str],
    paginator: Config | BasePaginator,
) -> Config:
    """Return one list; `selector` is the path to the records of an answer."""
    endpoint = {
        "path": path,
        "params": parameters,
        "paginator": paginator,
        "data_selector": selector,
    }
    return {"name": name, "endpoint": endpoint, "parallelized": True}


if __name__ == "__main__":
    main()
