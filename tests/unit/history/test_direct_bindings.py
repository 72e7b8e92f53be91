"""Bindings that an earlier pull did not ask for are neither added, changed nor removed."""

import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pipelines.publish.database import update_duckdb_file
from pipelines.simulator import Behavior, Fault, Sizes, generate
from pipelines.simulator.data.records import sudo
from tests.support import DATA
from tests.support.grown_organization import group_organization
from tests.support.publisher import Publisher, Pulled

# Written by tests/data/write_system_groups_only.py
BEFORE = DATA / "system_groups_only" / "history"
REFUSED = {
    "/radiusservers": 400,
    "/policies": 403,
    "/commands": 404,
    "/usergroups": 403,
    "/users/[^/]+/associations": 400,
}
COLUMNS = "asset_type, asset_id, column_name, change"


def test_upgrade_and_switching_off_change_nothing(
    fast_tmp_path: Path, pull: Callable[..., Pulled]
) -> None:
    publisher = Publisher(fast_tmp_path / "home")
    shutil.copytree(BEFORE, publisher.home / "history")
    organization = group_organization()
    systems, users = list(organization.systems), list(organization.users)
    ops, _ = organization.user_groups
    organization.bind_system(users[5], systems[5], sudo())
    organization.bind_system(ops, systems[4])

    def commit(number: int, behavior: Behavior | None = None, **settings: object) -> Pulled:
        pulled = pull(organization, behavior, **settings)
        publisher.commit(pulled.moved_to(datetime(2027, 1, number, tzinfo=UTC)))
        return pulled

    commit(1)
    update_duckdb_file(publisher.history, publisher.file)
    assert publisher.rows("SELECT count(*) AS n FROM user_system_bindings") == [{"n": 1}]
    assert publisher.rows("SELECT max(user_count) AS n FROM systems WHERE len(group_ids) = 0") == [
        {"n": 4}
    ]
    commit(2, direct_bindings="off")
    commit(3, direct_bindings="off", skip_endpoints=["usergroups", "policies"])
    faults = [Fault(f"{path}$", "status", status=status) for path, status in REFUSED.items()]
    refused = commit(4, Behavior(faults=faults)).pull.refusals
    named = {"radiusservers", "policies", "commands", "usergroups"}
    assert refused.keys() == named | {"users_associations"}
    # One refusal, first or among lists that were read, does not show a missing permission.
    once = [
        Fault(f"{path}$", "status", times=1, status=403)
        for path in ("/users/b0+5/associations", "/usergroups/[^/]+/members")
    ]
    assert commit(5, Behavior(faults=once), max_in_flight=1).pull.refusals == {}
    update_duckdb_file(publisher.history, publisher.file)
    assert publisher.rows("FROM changes") == []
    organization.unbind_system(users[5], systems[5])
    commit(6)
    update_duckdb_file(publisher.history, publisher.file)
    assert publisher.rows(f"SELECT {COLUMNS} FROM changes ORDER BY ALL") == [
        {"asset_type": kind, "asset_id": asset_id, "column_name": column, "change": change}
        for kind, asset_id, column, change in (
            ("systems", systems[5], "active_user_count", "changed"),
            ("systems", systems[5], "user_count", "changed"),
            ("user_system_bindings", f"{users[5]}/{systems[5]}", "", "removed"),
            ("users", users[5], "system_count", "changed"),
        )
    ]


def test_report_that_names_no_device_answers_the_findings(
    fast_tmp_path: Path, pull: Callable[..., Pulled]
) -> None:
    publisher = Publisher(fast_tmp_path / "home")
    sizes = Sizes(systems=4, users=3, system_groups=1, user_groups=1, direct_bindings=0)
    pulled = pull(
        generate(sizes=sizes), Behavior(report_age=timedelta(hours=2)), direct_bindings="report"
    )
    assert "systems_associations" not in pulled.pull.completeness["endpoint"].to_pylist()
    publisher.publish(pulled)
    assert publisher.rows("SELECT finding FROM findings.summary WHERE note IS NOT NULL") == []
    used = publisher.rows("SELECT report_at FROM integrations")
    assert used == [{"report_at": pulled.pull.report_at}]
    direct = "SELECT count FROM findings.summary WHERE finding = 'systems_with_direct_sudo'"
    assert publisher.rows(direct) == [{"count": 0}]
