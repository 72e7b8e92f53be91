"""Tables of access reviews: each is computed from its stored population and from `changes`."""

from pipelines.schema.graph import SUDO
from pipelines.schema.model import INTEGRATION, Column, Table

_REVIEW_ID = Column("review_id", "TEXT", "UTC time of creation, and the start of a checksum")

REVIEWS = Table(
    "reviews",
    "Access reviews (`jumpcloud-inventory review`); empty in a file as of a past time",
    key=("review_id",),
    has_changes=False,
    columns=(
        INTEGRATION,
        _REVIEW_ID,
        Column("reviewed_by", "TEXT", "manager, application, system-group or sudo"),
        Column("created_at", "TIMESTAMPTZ", "Time of creation"),
        Column("snapshot_id", "TEXT", "Snapshot that the population was taken from"),
        Column("pulled_at", "TIMESTAMPTZ", "Start of that snapshot's pull"),
        Column("manifest_sha256", "TEXT", "SHA-256 of that snapshot's manifest"),
        Column("population_sha256", "TEXT", "SHA-256 of the file that holds the population"),
        Column("completeness", "JSON", "Proof of completeness of each list of that pull"),
        Column("items", "BIGINT", "Number of accesses in the population"),
        Column("decided", "BIGINT", "Number of accesses with a decision"),
        Column("to_remove", "BIGINT", "Number of accesses to remove, as decided"),
        Column("removed", "BIGINT", "Number of these that are gone in the latest snapshot"),
        Column("returned", "BIGINT", "Number of these that were gone and are there again"),
    ),
)

REVIEW_ITEMS = Table(
    "review_items",
    "Accesses of each review with their decisions, and the later snapshots that show a removal or "
    "a return",
    key=("review_id", "item"),
    has_changes=False,
    personal=("reviewer_id", "reviewer", "user_id", "username", "reason"),
    columns=(
        INTEGRATION,
        _REVIEW_ID,
        Column("item", "BIGINT", "Number of the access in the review, from 1"),
        Column(
            "reviewer_id",
            "TEXT",
            "User id of the manager, or id of the application or group; empty if there is none",
        ),
        Column("reviewer", "TEXT", "Name of the manager, application or group"),
        Column("user_id", "TEXT", "User who has the access"),
        Column("username", "TEXT", "Username, or the id"),
        Column(
            "target_type",
            "TEXT",
            "application; system; system_group or user_group: its devices; all_systems: sudo on "
            "every device that the user reaches",
        ),
        Column("target_id", "TEXT", "Id of the target; empty for all_systems"),
        Column("target_name", "TEXT", "Name of the target, or its id"),
        Column("device_count", "BIGINT", "Number of devices; NULL for an application"),
        Column("direct", "BOOLEAN", "TRUE if a binding without a user group exists"),
        Column("via_user_group_names", "TEXT[]", "User groups through which the user is bound"),
        *SUDO,
        Column("since", "TIMESTAMPTZ", "Start of the pull that first found the access"),
        Column(
            "since_is_known",
            "BOOLEAN",
            "FALSE if the access was there at the first pull of its list, so that it may be older",
        ),
        Column("decision", "TEXT", "keep or remove; NULL if not decided"),
        Column("reason", "TEXT", "Reason that the reviewer gave"),
        Column("decided_at", "TIMESTAMPTZ", "Time at which the decision was imported"),
        Column("removed_snapshot_id", "TEXT", "First snapshot without the access"),
        Column("removed_after", "TIMESTAMPTZ", "Start of the last pull that found it before"),
        Column("removed_before", "TIMESTAMPTZ", "Start of the pull that no longer found it"),
        Column("returned_snapshot_id", "TEXT", "First snapshot with it again"),
        Column("returned_after", "TIMESTAMPTZ", "Start of the last pull that did not find it"),
        Column("returned_before", "TIMESTAMPTZ", "Start of the pull that found it again"),
    ),
)

REVIEW_TABLES = (REVIEWS, REVIEW_ITEMS)
