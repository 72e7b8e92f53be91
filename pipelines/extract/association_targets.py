"""Which lists of associations a group needs: one per target, or one for several.

The API takes `targets`; whether a comma-separated list of them is honored is not established
(fact sheet, sections 5 and 15). So it is found out in each pull: of the first groups, the one that
has bindings of most target types is read one target at a time and once with those targets joined.
Only if both give the same bindings are these targets joined for the other groups.
"""

from collections import deque
from collections.abc import Sequence

from pipelines.jumpcloud.endpoints import ListId
from pipelines.jumpcloud.parsing import Key

# Groups read one target at a time while the answer is out: first one, then, if it has not bindings
# of every type, some more.
CANDIDATES = 4


class AssociationLists:
    """Says, as groups and finished lists come in, which lists to read next.

    Attributes:
        joined: the targets that are read with one list; empty where the API does not honor that.
        is_decided: whether it is known which are joined, so that `finished` need not be told more.
    """

    def __init__(self, endpoint: str, targets: Sequence[str]) -> None:
        self.joined: tuple[str, ...] = ()
        self._endpoint = endpoint
        self._targets = tuple(targets)
        self.is_decided = len(self._targets) == 1
        self._waiting: deque[str] = deque()
        self._candidates: dict[str, dict[str, frozenset[Key]]] = {}
        self._probe: ListId | None = None
        self._has_asked_first = False

    def add_group(self, group_id: str) -> list[ListId]:
        """The lists to read now for a group that was just found."""
        self._waiting.append(group_id)
        return self._release()

    def is_probe(self, list_id: ListId) -> bool:
        """Whether the list only answers the question, and its rows are read elsewhere."""
        return list_id == self._probe

    def finished(self, list_id: ListId, keys: frozenset[Key] | None) -> list[ListId]:
        """The lists to read next, after one of them was read.

        Args:
            list_id: the list of associations that was read.
            keys: its bindings; None if the API refused it.
        """
        if self.is_probe(list_id):
            self.is_decided = True
            alone = self._candidates[list_id.parent_id]
            if keys == frozenset[Key]().union(*alone.values()):
                self.joined = tuple(list_id.target.split(","))
            return self._release()
        self._candidates[list_id.parent_id][list_id.target] = keys or frozenset()
        return self._next_question()

    def _next_question(self) -> list[ListId]:
        """The probe, if a candidate is fit for it; else further candidates."""
        done = [g for g, found in self._candidates.items() if len(found) == len(self._targets)]
        if self._probe or not done:
            return []
        best = max(done, key=lambda group: len(self._bound(group)))
        is_first = not self._has_asked_first
        self._has_asked_first = True
        is_last_chance = len(done) == len(self._candidates) and not (is_first and self._waiting)
        if len(self._bound(best)) == len(self._targets) or (
            is_last_chance and len(self._bound(best)) > 1
        ):
            self._probe = ListId(self._endpoint, best, ",".join(self._bound(best)))
            return [self._probe]
        if is_last_chance:
            self._candidates.clear()
        return self._release()

    def _bound(self, group_id: str) -> list[str]:
        """The targets of which a candidate has bindings."""
        found = self._candidates[group_id]
        return [target for target in self._targets if found[target]]

    def _release(self) -> list[ListId]:
        lists: list[ListId] = []
        alone = [target for target in self._targets if target not in self.joined]
        targets = [",".join(self.joined), *alone] if self.joined else alone
        while self._waiting and (self.is_decided or self._may_start_candidate()):
            group_id = self._waiting.popleft()
            if not self.is_decided:
                self._candidates[group_id] = {}
            lists += [ListId(self._endpoint, group_id, target) for target in targets]
        return lists

    def _may_start_candidate(self) -> bool:
        most = CANDIDATES if self._has_asked_first else 1
        return self._probe is None and len(self._candidates) < most
