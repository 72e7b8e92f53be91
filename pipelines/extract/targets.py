"""Which lists of associations a group needs: one per target, or one for all.

The API takes `targets`; whether a comma-separated list of them is honoured is not established
(fact sheet, sections 3 and 5). So it is found out in each pull: a group that has bindings of two
target types is read one target at a time and once with all targets joined. Only if both give the
same bindings are the other groups read with one list each.
"""

from collections import deque
from collections.abc import Sequence

from pipelines.extract.completeness import ListId
from pipelines.extract.records import Key

# Groups read one target at a time while the answer is out; more would cost calls, fewer time.
CANDIDATES = 4


class AssociationLists:
    """Says, as groups and finished lists come in, which lists to read next.

    Attributes:
        joined_works: whether the API honours joined targets; None while that is not known.
    """

    def __init__(self, endpoint: str, targets: Sequence[str]) -> None:
        self._endpoint = endpoint
        self._targets = tuple(targets)
        self._joined = ",".join(targets)
        self.joined_works: bool | None = False if len(self._targets) == 1 else None
        self._waiting: deque[str] = deque()
        self._candidates: dict[str, dict[str, frozenset[Key]]] = {}
        self._probed = ""

    def add_group(self, group_id: str) -> list[ListId]:
        """The lists to read now for a group that was just found."""
        self._waiting.append(group_id)
        return self._release()

    def is_probe(self, list_id: ListId) -> bool:
        """Whether the list only answers the question, and its rows are read elsewhere."""
        return list_id == ListId(self._endpoint, self._probed, self._joined)

    def finished(self, list_id: ListId, keys: frozenset[Key] | None) -> list[ListId]:
        """The lists to read next, after one of them was read.

        Args:
            list_id: the list of associations that was read.
            keys: its bindings; None if the API refused it.
        """
        if self.joined_works is not None:
            return []
        if self.is_probe(list_id):
            alone = self._candidates[self._probed].values()
            self.joined_works = keys == frozenset[Key]().union(*alone)
            return self._release()
        found = self._candidates[list_id.parent_id]
        found[list_id.target] = keys or frozenset()
        if len(found) < len(self._targets):
            return []
        if not self._probed and sum(map(bool, found.values())) > 1:
            self._probed = list_id.parent_id
            return [ListId(self._endpoint, self._probed, self._joined)]
        if list_id.parent_id != self._probed:
            del self._candidates[list_id.parent_id]
        return self._release()

    def _release(self) -> list[ListId]:
        lists: list[ListId] = []
        while self._waiting and (self.joined_works is not None or self._may_start_candidate()):
            group_id = self._waiting.popleft()
            if self.joined_works is None:
                self._candidates[group_id] = {}
            targets = (self._joined,) if self.joined_works else self._targets
            lists += [ListId(self._endpoint, group_id, target) for target in targets]
        return lists

    def _may_start_candidate(self) -> bool:
        return not self._probed and len(self._candidates) < CANDIDATES
