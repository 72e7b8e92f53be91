"""The organization in `tests/data/system_groups_only`, which a later version pulls once more."""

from pipelines.simulator import Organization, Sizes, generate
from pipelines.simulator.data.records import sudo


def group_organization() -> Organization:
    """Return an organization with access through system groups; its ids are always the same."""
    org = generate(3, Sizes.empty())
    systems = [org.add_system(hostname=f"host-{n}", id=f"a{n:023}") for n in range(6)]
    users = [org.add_user(username=f"user-{n}", id=f"b{n:023}") for n in range(6)]
    servers = org.add_group("Servers", id="c" + "1" * 23)
    org.add_group("Empty", id="c" + "2" * 23)
    ops = org.add_group("Ops", "user_group", id="d" + "1" * 23)
    org.add_group("Nobody", "user_group", id="d" + "2" * 23)
    for system_id in systems[:3]:
        org.add_member(servers, system_id)
    # One member is in no list of users.
    for user_id in (*users[1:4], "e" * 24):
        org.add_member(ops, user_id)
    org.bind(servers, "user", users[0], sudo())
    org.bind(servers, "user_group", ops, sudo(without_password=True))
    wiki = org.add_application(displayLabel="Wiki", id="f" + "1" * 23)
    org.bind(wiki, "user_group", ops)
    for number, (kind, records) in enumerate(
        {"policy": org.policies, "command": org.commands}.items(), 1
    ):
        record_id = f"{number}" * 24
        records[record_id] = {"_id": record_id, "id": record_id, "name": f"The {kind}"}
        org.bind(servers, kind, record_id)
    return org
