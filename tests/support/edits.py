"""Named random edits of an organization, as a person might make them."""

from collections.abc import Iterable

from hypothesis import strategies as st

from pipelines.simulator import Organization
from pipelines.simulator.data.records import Attributes


class Editor:
    """An editor that makes one named edit; two drawn numbers choose the objects."""

    def __init__(self, organization: Organization) -> None:
        self._org = organization

    def edit(self, name: str, draws: tuple[int, int]) -> None:
        """Make the edit, unless there is nothing to edit."""
        self._first, self._second = draws
        getattr(self, name)()

    def _pick(self, ids: Iterable[str], draw: int) -> str | None:
        ids = sorted(ids)
        return ids[draw % len(ids)] if ids else None

    def _update(self, ids: Iterable[str], **fields: object) -> None:
        if record_id := self._pick(ids, self._first):
            self._org.update(record_id, **fields)

    def add_system(self) -> None:
        system = self._org.add_system(hostname=f"new-{self._first}")
        if group := self._pick(self._org.system_groups, self._second):
            self._org.add_member(group, system)

    def remove_system(self) -> None:
        if system := self._pick(self._org.systems, self._first):
            self._org.remove_system(system)

    def rename_system(self) -> None:
        self._update(self._org.systems, hostname=f'Ren"amed é {self._second}')

    def change_os(self) -> None:
        self._update(self._org.systems, os="Plan 9", version=str(self._second), active=None)

    def change_address(self) -> None:
        address = f"10.9.8.{self._second % 250}"
        interface = {"name": "en9", "family": "IPv4", "address": address, "internal": False}
        self._update(self._org.systems, networkInterfaces=[interface])

    def check_in(self) -> None:
        self._update(self._org.systems, lastContact=f"2026-02-02T02:02:{self._second % 60:02}Z")

    def add_user(self) -> None:
        user = self._org.add_user(username=f"new.{self._first}")
        if group := self._pick(self._org.user_group_members, self._second):
            self._org.add_member(group, user)

    def remove_user(self) -> None:
        if user := self._pick(self._org.users, self._first):
            self._org.remove_user(user)

    def rename_user(self) -> None:
        self._update(self._org.users, username=f"renamed.{self._second}", lastname="")

    def suspend_user(self) -> None:
        self._update(self._org.users, suspended=True, state="SUSPENDED")

    def move_system(self) -> None:
        self._toggle(self._org.system_groups, self._org.systems)

    def move_user(self) -> None:
        self._toggle(self._org.user_group_members, self._org.users)

    def _toggle(self, groups: Iterable[str], members: Iterable[str]) -> None:
        """Add a member to a group, or remove it."""
        group, member = self._pick(groups, self._first), self._pick(members, self._second)
        if group and member:
            if member in self._org._group_members(group):
                self._org.remove_member(group, member)
            else:
                self._org.add_member(group, member)

    def bind_user(self) -> None:
        user = self._pick(self._org.users, self._second)
        sudo: Attributes = {"sudo": {"enabled": self._second % 2 == 0, "withoutPassword": False}}
        self._bind(self._org.system_groups, "user", user, sudo)

    def bind_user_group(self) -> None:
        group = self._pick(self._org.user_group_members, self._second)
        self._bind(self._org.system_groups, "user_group", group, None)

    def bind_application(self) -> None:
        user = self._pick(self._org.users, self._second)
        self._bind(self._org.applications, "user", user, None)

    def _bind(
        self, sources: Iterable[str], kind: str, target: str | None, attributes: Attributes
    ) -> None:
        source = self._pick(sources, self._first)
        if source and target:
            self._org.bind(source, kind, target, attributes)

    def bind_system(self) -> None:
        sources = [*self._org.users, *self._org.user_groups]
        source, system = (
            self._pick(sources, self._first),
            self._pick(self._org.systems, self._second),
        )
        if source and system:
            enabled = self._second % 2 == 0
            sudo: Attributes = {"sudo": {"enabled": enabled, "withoutPassword": False}}
            self._org.bind_system(source, system, sudo)

    def change_rule(self) -> None:
        flags = ["CYCLE"] if self._second % 2 else []
        groups = [*self._org.system_groups, *self._org.user_groups]
        self._update(groups, memberQueryErrorFlags=flags)

    def unbind(self) -> None:
        source = self._pick(self._org.bindings, self._first)
        bound = sorted(self._org.bindings[source]) if source else []
        if source and bound:
            self._org.unbind(source, *bound[self._second % len(bound)])

    def add_group(self) -> None:
        self._org.add_group(f"Group {self._first}")

    def remove_group(self) -> None:
        if group := self._pick(self._org.system_groups, self._first):
            self._org.remove_group(group)

    def rename_group(self) -> None:
        self._update(self._org.system_groups, name=f"Renamed {self._second}")

    def change_mfa(self) -> None:
        configured = self._second % 2 == 0
        self._update(self._org.users, mfa={"configured": configured}, totp_enabled=configured)

    def change_exemption(self) -> None:
        mfa: dict[str, object] = {"configured": False, "exclusion": self._second % 3 > 0}
        if self._second % 3 == 1:
            mfa |= {"exclusionUntil": "2027-01-01T00:00:00Z"}
        self._update(self._org.users, mfa=mfa)

    def change_password_expiry(self) -> None:
        self._update(self._org.users, password_never_expires=self._second % 2 == 0)

    def change_local_account(self) -> None:
        flags = {"admin": self._second % 2 == 0, "managed": self._second % 3 == 0}
        account = {"userName": "setup", **flags, "suspended": self._second % 5 == 0}
        self._update(self._org.systems, userMetrics=[account] if self._second % 7 else [])

    def change_administrator(self) -> None:
        without_password = self._second % 3 == 0
        self._update(
            self._org.users, sudo=self._second % 2 == 0, passwordless_sudo=without_password
        )

    def unlock_user(self) -> None:
        locked = self._second % 3 == 0
        self._update(self._org.users, suspended=False, state="ACTIVATED", account_locked=locked)

    def change_encryption(self) -> None:
        self._update(self._org.systems, fde={"active": self._second % 3 == 0})

    def change_policies(self) -> None:
        failed = self._second % 3
        self._update(self._org.systems, policyStats={"total": 5, "failed": failed})

    def change_owner(self) -> None:
        owner = self._pick([*self._org.users, ""], self._second)
        self._update(self._org.systems, primarySystemUser={"id": owner})

    def hide_system(self) -> None:
        if system := self._pick(self._org.systems, self._first):
            self._org.hide(system)

    def share_address(self) -> None:
        interface = {"name": "en8", "family": "IPv4", "address": "10.1.1.1", "internal": False}
        self._update(self._org.systems, networkInterfaces=[interface])

    def share_public_address(self) -> None:
        self._update(self._org.systems, remoteIP=f"198.18.0.{self._second % 2}")

    def switch_application(self) -> None:
        self._update(self._org.applications, active=self._second % 2 == 0)

    def add_application(self) -> None:
        self._org.add_application(displayLabel=f"New {self._first}")

    def remove_application(self) -> None:
        if application := self._pick(self._org.applications, self._first):
            self._org.remove_application(application)


EDITS = sorted(
    name
    for name, method in vars(Editor).items()
    if callable(method) and not name.startswith("_") and name != "edit"
)
DRAWS = st.integers(0, 999)
SCRIPTS = st.lists(
    st.tuples(st.sampled_from(EDITS), st.tuples(DRAWS, DRAWS)), min_size=1, max_size=8
)
