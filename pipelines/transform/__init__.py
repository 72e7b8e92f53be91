"""Transforms from raw endpoint tables to the tables of the data contract."""

from pipelines.transform.assets import APPLICATIONS, IPV4_ADDRESSES, SYSTEM_GROUPS, SYSTEMS, USERS
from pipelines.transform.graph import (
    ACCESS_DIFFERENCES,
    COMMANDS,
    POLICIES,
    POLICY_GROUPS,
    RADIUS_SERVERS,
    USER_GROUP_MEMBERS,
    USER_GROUP_SYSTEM_BINDINGS,
    USER_GROUPS,
    USER_SYSTEM_BINDINGS,
)
from pipelines.transform.relationships import (
    APPLICATION_USERS,
    CUSTOM_ATTRIBUTES,
    SYSTEM_GROUP_ASSOCIATIONS,
    SYSTEM_GROUP_MEMBERS,
    SYSTEM_GROUP_USERS,
    SYSTEM_IP_ADDRESSES,
    SYSTEM_IPV4_ADDRESSES,
    SYSTEM_LOCAL_ACCOUNTS,
)
from pipelines.transform.transform import Transform

# In the order in which they run: each after the tables that it reads.
TRANSFORMS: dict[str, Transform] = {
    transform.table.name: transform
    for transform in (
        USER_GROUPS,
        POLICIES,
        POLICY_GROUPS,
        COMMANDS,
        RADIUS_SERVERS,
        USER_GROUP_MEMBERS,
        USER_GROUP_SYSTEM_BINDINGS,
        USER_SYSTEM_BINDINGS,
        SYSTEM_GROUP_MEMBERS,
        SYSTEM_GROUP_USERS,
        SYSTEM_GROUP_ASSOCIATIONS,
        APPLICATION_USERS,
        SYSTEM_IP_ADDRESSES,
        SYSTEM_IPV4_ADDRESSES,
        SYSTEM_LOCAL_ACCOUNTS,
        SYSTEM_GROUPS,
        SYSTEMS,
        USERS,
        APPLICATIONS,
        IPV4_ADDRESSES,
        ACCESS_DIFFERENCES,
        CUSTOM_ATTRIBUTES,
    )
}

__all__ = ["TRANSFORMS", "Transform"]
