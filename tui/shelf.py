"""A bounded memory: what was used last stays, what was not used for longest goes."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Shelf(Generic[K, V]):
    """At most `most` things by key."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._things: dict[K, V] = {}

    def get(self, key: K) -> V | None:
        """The thing under a key, which counts as used now."""
        if key not in self._things:
            return None
        return self.put(key, self._things[key])

    def put(self, key: K, thing: V) -> V:
        """Keep a thing; the one that was not used for longest may go for it."""
        self._things.pop(key, None)
        self._things[key] = thing
        while len(self._things) > self._most:
            del self._things[next(iter(self._things))]
        return thing

    def newest_first(self) -> tuple[V, ...]:
        """Every thing, the one that was used last first."""
        return tuple(reversed(self._things.values()))

    def clear(self) -> None:
        """Forget all of them."""
        self._things.clear()
