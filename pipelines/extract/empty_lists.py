"""Check that lists are empty, or not found, because nothing is in them."""

from collections.abc import Callable, Collection, Iterable, Mapping

from pipelines.jumpcloud.completeness import Completeness
from pipelines.jumpcloud.endpoints import (
    APPLICATIONS_USERS,
    ENDPOINTS,
    SYSTEMGROUPS_MEMBERS,
    SYSTEMGROUPS_USERS,
    SYSTEMS,
    SYSTEMS_ASSOCIATIONS,
    SYSTEMUSERS,
    USERGROUPS_ASSOCIATIONS,
    USERGROUPS_MEMBERS,
    USERS_ASSOCIATIONS,
    Endpoint,
    ListId,
)
from pipelines.jumpcloud.paginator import IncompleteError

# Lists that name records of other lists by their ids.
_NAMED_BY = {
    SYSTEMS.name: {
        SYSTEMGROUPS_MEMBERS.name,
        USERGROUPS_ASSOCIATIONS.name,
        USERS_ASSOCIATIONS.name,
    },
    SYSTEMUSERS.name: {
        SYSTEMGROUPS_USERS.name,
        APPLICATIONS_USERS.name,
        USERGROUPS_MEMBERS.name,
        SYSTEMS_ASSOCIATIONS.name,
    },
}


def check_empty_lists(proofs: Collection[Completeness]) -> None:
    """Check that no list is empty without a total, where others of its endpoint have one.

    Raises:
        IncompleteError: a list is.
    """
    announced = {proof.list_id.endpoint for proof in proofs if proof.proof == "total"}
    for proof in proofs:
        is_empty = proof.proof == "empty page" and not proof.received
        if is_empty and proof.list_id.endpoint in announced:
            reason = "it is empty, and the API announces no total, but those of other lists"
            raise IncompleteError(proof.list_id, reason)


def check_empty_records(
    proofs: Mapping[ListId, Completeness],
    first_id: Callable[[ListId], str],
    is_gone: Callable[[Endpoint, str], bool],
) -> None:
    """Check that no list of records is empty while another list names one that exists.

    Args:
        proofs: the proof of each finished list.
        first_id: returns the id in the first row of a list that is not empty.
        is_gone: returns True if a record of an endpoint does not exist.

    Raises:
        IncompleteError: a list is.
    """
    for name, sources in _NAMED_BY.items():
        proof = proofs.get(ListId(name))
        if proof is None or proof.received:
            continue
        named = (
            list_id
            for list_id, other in proofs.items()
            if list_id.endpoint in sources and other.received
        )
        list_id = next(named, None)
        if list_id is None:
            continue
        first = first_id(list_id)
        if not is_gone(ENDPOINTS[name], first):
            reason = f"it is empty, but {first} exists, which {list_id} names"
            raise IncompleteError(proof.list_id, reason)


def check_gone_parents(lists: Iterable[ListId], parent_ids: Mapping[str, Collection[str]]) -> None:
    """Check that few parents are not found although their list has them.

    A deleted parent may stay listed for a while. Most of them are not deleted at the same time.

    Args:
        lists: the lists that were not found.
        parent_ids: ids of the parents, by endpoint.

    Raises:
        IncompleteError: most parents that a list has are not found.
    """
    gone: dict[str, dict[str, ListId]] = {}
    for list_id in lists:
        gone.setdefault(ENDPOINTS[list_id.endpoint].parent, {})[list_id.parent_id] = list_id
    for name, found in gone.items():
        if 2 * len(found) > len(parent_ids[name]):
            reason = f"it is not found, and neither is its parent, which {name} still has"
            raise IncompleteError(next(iter(found.values())), reason)
