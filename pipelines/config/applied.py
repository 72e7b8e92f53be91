"""The integrations of the settings, as published next to those that are no longer in them."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class AppliedSettings:
    """The settings as far as they concern what is published.

    Attributes:
        enabled: the switch of each integration of the settings, by name.
        undiscovered: entries with `discover_organizations`, if this machine may not know all their
            organizations; the names of those begin with the entry's name and a hyphen.
        has_file: False for the single integration of the environment, which excludes no other.
    """

    enabled: Mapping[str, bool]
    undiscovered: tuple[str, ...] = ()
    has_file: bool = True

    def is_configured(self, integration: str) -> bool | None:
        """Return True for an integration of the settings, and None if that is not known."""
        if integration in self.enabled:
            return True
        may_be = any(integration.startswith(f"{entry}-") for entry in self.undiscovered)
        return None if may_be or not self.has_file else False
