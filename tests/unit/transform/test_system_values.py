"""Values of devices and addresses that are derived from several fields or rows."""

import pytest

from tests.support.arrow import Row, contract_row, run_transform


@pytest.mark.parametrize(
    ("os", "given", "family"),
    [
        ("Windows", None, "windows"),
        ("Windows", "", "windows"),
        ("Mac OS X", None, "darwin"),
        ("macOS", None, "darwin"),
        ("Ubuntu", None, "linux"),
        ("Amazon Linux", None, "linux"),
        ("iPadOS", None, "ios"),
        ("Android", None, "android"),
        ("Plan 9", None, None),
        (None, None, None),
        ("Ubuntu", "Linux", "linux"),
        ("Windows", "other", "other"),
    ],
)
def test_os_family_is_derived_if_missing(
    os: str | None, given: str | None, family: str | None
) -> None:
    (row,) = run_transform("systems", systems=[{"_id": "s1", "os": os, "osFamily": given}])
    assert row["os_family"] == family


@pytest.mark.parametrize(("managed", "known"), [(True, True), (None, True), (False, None)])
def test_ssh_flags_need_a_managed_server(*, managed: bool | None, known: bool | None) -> None:
    flags = dict.fromkeys(("allowSshRootLogin", "allowSshPasswordAuthentication"), True)
    system: Row = {"_id": "s1", "modifySSHDConfig": managed, **flags}
    (row,) = run_transform("systems", systems=[system])
    assert (row["ssh_root_login"], row["ssh_password_login"]) == (known, known)
    assert row["ssh_managed"] == managed


@pytest.mark.parametrize(
    ("os", "vendor", "kind"),
    [
        ("iOS", None, "mobile"),
        ("Android", "Google", "mobile"),
        ("iPadOS", "Apple Inc.", "tablet"),
        ("Ubuntu", "QEMU", "virtual"),
        ("Windows", "VMware, Inc.", "virtual"),
        ("Windows", "Dell Inc.", None),
    ],
)
def test_hardware_kind_is_derived(os: str, vendor: str | None, kind: str | None) -> None:
    (row,) = run_transform("systems", systems=[{"_id": "s1", "os": os, "hwVendor": vendor}])
    assert (row["hardware_vendor"], row["hardware_kind"]) == (vendor, kind)


def test_active_users_exclude_suspended_and_staged() -> None:
    users: list[Row] = [
        {"_id": "u1", "state": "ACTIVATED"},
        {"_id": "u2", "state": "STAGED", "suspended": False},
        {"_id": "u3", "state": "SUSPENDED"},
        {"_id": "u4", "suspended": True},
        {"_id": "u5", "suspended": False},
    ]
    frames: dict[str, list[Row]] = {
        "system_group_members": [{"group_id": "g1", "system_id": "s1"}],
        # The sixth is in no list: nobody knows a reason to exclude the user.
        "system_group_users": [{"group_id": "g1", "user_id": f"u{n}"} for n in range(1, 7)],
    }
    pulled: list[Row] = [{"endpoint": "systemusers"}]
    (row,) = run_transform("systems", systemusers=users, completeness=pulled, **frames)
    assert (row["user_count"], row["active_user_count"]) == (6, 3)
    (row,) = run_transform("systems", **frames)
    assert (row["user_count"], row["active_user_count"]) == (6, None)


def test_ipv4_addresses_list_their_devices_and_interfaces() -> None:
    addresses = [
        ("s2", "eth0", "10.0.0.1", "private"),
        ("s1", "eth1", "10.0.0.1", "private"),
        ("s1", "eth0", "10.0.0.1", "private"),
        ("s1", "", "100.64.0.1", "cgnat"),
        ("s1", "eth0", "8.8.8.8", "public"),
        ("s1", "eth0", "2a00::1", "public"),
    ]
    names = ("system_id", "interface", "address", "scope")
    rows = run_transform(
        "ipv4_addresses",
        system_ip_addresses=[
            dict(zip(names, values, strict=True)) | {"family": 6 if ":" in values[2] else 4}
            for values in addresses
        ],
    )
    expected = (
        ("10.0.0.1", "private", ["s1", "s2"], ["eth0", "eth1"]),
        ("100.64.0.1", "cgnat", ["s1"], [""]),
        ("8.8.8.8", "public", ["s1"], ["eth0"]),
    )
    assert rows == [
        contract_row(
            "ipv4_addresses",
            address=address,
            scope=scope,
            system_ids=systems,
            system_count=len(systems),
            interfaces=interfaces,
        )
        for address, scope, systems, interfaces in expected
    ]
