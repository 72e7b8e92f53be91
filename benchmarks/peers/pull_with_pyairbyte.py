"""Pull an organization with PyAirbyte: a declarative manifest into DuckDB.

Run by the Python of PyAirbyte's own environment, with one argument: the job as JSON (see
`benchmarks/cases/peers.py`).

Configured as documented: `concurrency_level` in the manifest, `SubstreamPartitionRouter` for
the lists of each group, `OffsetIncrement` for paging. A manifest cannot:
- page by the header `x-total-count`: `OffsetIncrement` and `PageIncrement` look at the page's
  length only; `CursorPagination` sees headers, but not the offset it is at.
- request the pages of one list at the same time, or search by POST with another page size in a
  fallback.
So `paging` is "short page", the documented way, or "empty page": members are then requested
until a page is empty, which deleted members cannot end early, at one more call per group.
"""

import json
import os
import sys
from dataclasses import dataclass, field
from typing import Any

import airbyte as ab
from airbyte.caches import DuckDBCache

PAGE_SIZE = 100
Component = dict[str, Any]


@dataclass
class List:
    """One list of the API.

    Attributes:
        name: Name of the stream.
        path: Path below the host; a group's list contains `stream_partition.group_id`.
        columns: Fields of its records.
        parameters: Parameters sent in addition to `limit` and `skip`.
        records: Path to the records of an answer.
        until_empty_page: Read until a page is empty.
    """

    name: str
    path: str
    columns: list[str]
    parameters: dict[str, str] = field(default_factory=dict)
    records: list[str] = field(default_factory=list)
    until_empty_page: bool = False


def main() -> None:
    """Pull everything once."""
    job = json.loads(sys.argv[1])
    source = ab.get_source(
        "source-jumpcloud",
        source_manifest=manifest(job),
        config={"api_key": os.environ[job["key_variable"]]},
        install_if_missing=False,
    )
    source.select_all_streams()
    cache = DuckDBCache(db_path=job["database"], schema_name="main")
    source.read(cache=cache, force_full_refresh=True, skip_validation=True)


def manifest(job: Component) -> Component:
    """Return the low-code manifest of the seven lists."""
    url, fields = job["base_url"], job["fields"]
    columns = fields["systemgroups"].split(",")
    sort = {"sort": "name", "fields": fields["systemgroups"]}
    groups = stream(url, List("systemgroups", "/api/v2/systemgroups", columns, sort))
    of_groups = [child(url, groups, each) for each in lists_of_a_group(job["paging"])]
    bulk = [
        stream(url, List(name, f"/api/{name}", fields[name].split(), parameters, ["results"]))
        for name in ("systems", "systemusers", "applications")
        for parameters in [{"sort": "_id", "fields": fields[name]}]
    ]
    return {
        "version": "7.0.0",
        "type": "DeclarativeSource",
        "check": {"type": "CheckStream", "stream_names": ["systemgroups"]},
        "concurrency_level": {
            "type": "ConcurrencyLevel",
            "default_concurrency": job["in_flight"],
        },
        "streams": [groups, *of_groups, *bulk],
        "spec": {
            "type": "Spec",
            "connection_specification": {
                "type": "object",
                "required": ["api_key"],
                "properties": {"api_key": {"type": "string", "airbyte_secret": True}},
            },
        },
    }


def lists_of_a_group(paging: str) -> list[List]:
    """Return members, users and associations; only members have pages with holes."""
    group = "/api/v2/systemgroups/{{ stream_partition.group_id }}"
    users = ["id", "type", "compiledAttributes", "paths"]
    edges = ["attributes", "to"]
    return [
        List("members", f"{group}/members", edges, until_empty_page=paging == "empty page"),
        List("users", f"{group}/users", users),
        List("associations", f"{group}/associations", edges, {"targets": "user"}),
    ]


def stream(url: str, each: List) -> Component:
    """Return the stream that reads a list."""
    requester = {
        "type": "HttpRequester",
        "url_base": url,
        "path": each.path,
        "http_method": "GET",
        "request_parameters": each.parameters,
        "authenticator": {
            "type": "ApiKeyAuthenticator",
            "api_token": "{{ config['api_key'] }}",
            "inject_into": {
                "type": "RequestOption",
                "inject_into": "header",
                "field_name": "x-api-key",
            },
        },
    }
    extractor = {"type": "DpathExtractor", "field_path": each.records}
    paginator = until_empty_page(requester) if each.until_empty_page else until_short_page()
    return {
        "type": "DeclarativeStream",
        "name": each.name,
        "retriever": {
            "type": "SimpleRetriever",
            "requester": requester,
            "record_selector": {"type": "RecordSelector", "extractor": extractor},
            "paginator": paginator,
        },
        "schema_loader": {"type": "InlineSchemaLoader", "schema": schema(each.columns)},
    }


def until_short_page() -> Component:
    """Return the documented paginator for `limit` and `offset`."""
    return {
        "type": "DefaultPaginator",
        "page_token_option": request_option("skip"),
        "page_size_option": request_option("limit"),
        "pagination_strategy": {
            "type": "OffsetIncrement",
            "page_size": PAGE_SIZE,
            "inject_on_first_request": True,
        },
    }


def until_empty_page(requester: Component) -> Component:
    """Return a paginator by page number: without `page_size`, no page counts as short."""
    requester["request_parameters"] |= {
        "limit": str(PAGE_SIZE),
        "skip": f"{{{{ {PAGE_SIZE} * next_page_token['next_page_token'] }}}}",
    }
    strategy = {"type": "PageIncrement", "start_from_page": 0, "inject_on_first_request": True}
    return {"type": "DefaultPaginator", "pagination_strategy": strategy}


def child(url: str, groups: Component, each: List) -> Component:
    """Return the stream of a group's list; its records get the group's id."""
    made = stream(url, each)
    parent = {
        "type": "ParentStreamConfig",
        "stream": groups,
        "parent_key": "id",
        "partition_field": "group_id",
    }
    made["retriever"]["partition_router"] = {
        "type": "SubstreamPartitionRouter",
        "parent_stream_configs": [parent],
    }
    group_id = {"path": ["group_id"], "value": "{{ stream_partition.group_id }}"}
    made["transformations"] = [{"type": "AddFields", "fields": [group_id]}]
    made["schema_loader"]["schema"] = schema(["group_id", *each.columns])
    return made


def request_option(field: str) -> Component:
    """Return a query parameter that the paginator sets."""
    return {"type": "RequestOption", "inject_into": "request_parameter", "field_name": field}


OBJECTS = {
    "attributes",
    "to",
    "compiledAttributes",
    "fde",
    "mdm",
    "mfa",
    "primarySystemUser",
    "sso",
}
LISTS = {"paths", "networkInterfaces"}
FLAGS = {
    "active",
    "activated",
    "suspended",
    "account_locked",
    "totp_enabled",
    "sudo",
    "passwordless_sudo",
    "password_expired",
    "password_never_expires",
    "allowMultiFactorAuthentication",
    "allowSshRootLogin",
    "allowSshPasswordAuthentication",
}


def schema(names: list[str]) -> Component:
    """Return a JSON schema of the fields; objects and lists become JSON columns."""
    kinds = dict.fromkeys(OBJECTS, "object") | dict.fromkeys(LISTS, "array")
    kinds |= dict.fromkeys(FLAGS, "boolean")
    properties = {name: {"type": [kinds.get(name, "string"), "null"]} for name in names}
    return {"type": "object", "additionalProperties": True, "properties": properties}


if __name__ == "__main__":
    main()
