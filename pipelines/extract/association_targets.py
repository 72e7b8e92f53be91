"""Decide which association lists to read for each group: one per target, or several targets joined.

The API takes `targets`, but it is not established if it accepts a comma-separated list of them
(docs/reference/jumpcloud-api.md, sections 5 and 15). So each pull tries it: among the first groups,
the one with bindings of the most target types is read one target at a time, and once with these
targets joined. If both give the same bindings, these targets are joined for all other groups.
"""

from collections import deque
from collections.abc import Sequence

from pipelines.jumpcloud.endpoints import ListId
from pipelines.jumpcloud.parsing import Key

# Groups read one target at a time before the decision: one first, and the others only if it does
# not have bindings of every type.
MAX_CANDIDATES = 4


class AssociationLists:
    """Selection of the association lists to read, made while groups and lists arrive.

    Attributes:
        joined: targets that are read with one list; empty if the API does not accept that.
        decided: True once `joined` is final; `finish_list` need not be called any more.
    """

    def __init__(self, endpoint: str, targets: Sequence[str]) -> None:
        self.joined: tuple[str, ...] = ()
        self._endpoint = endpoint
        self._targets = tuple(targets)
        self.decided = len(self._targets) == 1
        self._waiting: deque[str] = deque()
        self._candidates: dict[str, dict[str, frozenset[Key]]] = {}
        self._probe: ListId | None = None
        self._first_evaluated = False

    def add_group(self, group_id: str) -> list[ListId]:
        """Add a group and return the lists to read now."""
        self._waiting.append(group_id)
        return self._release()

    def drop_target(self, target: str) -> list[ListId]:
        """Read a target no longer, and return the lists to read next."""
        self._targets = tuple(other for other in self._targets if other != target)
        for found in self._candidates.values():
            found.pop(target, None)
        self.decided = self.decided or len(self._targets) <= 1
        return self._release() if self.decided else self._evaluate_candidates()

    def is_probe(self, list_id: ListId) -> bool:
        """Return True for the list that only tests joined targets; other lists give its rows."""
        return list_id == self._probe

    def finish_list(self, list_id: ListId, keys: frozenset[Key] | None) -> list[ListId]:
        """Add the result of a list and return the lists to read next.

        Args:
            list_id: the list of associations.
            keys: its bindings; None if the API refused the list.
        """
        if self.is_probe(list_id):
            self.decided = True
            separate = self._candidates[list_id.parent_id]
            if keys == frozenset[Key]().union(*separate.values()):
                self.joined = tuple(list_id.target.split(","))
            return self._release()
        self._candidates[list_id.parent_id][list_id.target] = keys or frozenset()
        return self._evaluate_candidates()

    def _evaluate_candidates(self) -> list[ListId]:
        """Return the probe if a candidate is good enough, otherwise lists of more candidates."""
        done = [g for g, found in self._candidates.items() if len(found) == len(self._targets)]
        if self._probe or not done:
            return []
        group_id = max(done, key=lambda candidate: len(self._bound_targets(candidate)))
        bound = self._bound_targets(group_id)
        more_follow = not self._first_evaluated and bool(self._waiting)
        self._first_evaluated = True
        last_chance = len(done) == len(self._candidates) and not more_follow
        if len(bound) == len(self._targets) or (last_chance and len(bound) > 1):
            self._probe = ListId(self._endpoint, group_id, ",".join(bound))
            return [self._probe]
        if last_chance:
            self._candidates.clear()
        return self._release()

    def _bound_targets(self, group_id: str) -> list[str]:
        found = self._candidates[group_id]
        return [target for target in self._targets if found[target]]

    def _release(self) -> list[ListId]:
        """Return the lists of the waiting groups that may be read now."""
        lists: list[ListId] = []
        separate = [target for target in self._targets if target not in self.joined]
        targets = [",".join(self.joined), *separate] if self.joined else separate
        while self._waiting and (self.decided or self._may_start_candidate()):
            group_id = self._waiting.popleft()
            if not self.decided:
                self._candidates[group_id] = {}
            lists += [ListId(self._endpoint, group_id, target) for target in targets]
        return lists

    def _may_start_candidate(self) -> bool:
        limit = MAX_CANDIDATES if self._first_evaluated else 1
        return self._probe is None and len(self._candidates) < limit
