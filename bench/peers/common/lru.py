"""A small cache of answers in one process, before Redis."""

from collections import OrderedDict


class Lru:
    """The most recently used answers, at most `size`."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._entries: OrderedDict[str, bytes] = OrderedDict()

    def get(self, key: str) -> bytes | None:
        body = self._entries.get(key)
        if body is not None:
            self._entries.move_to_end(key)
        return body

    def put(self, key: str, body: bytes) -> None:
        self._entries[key] = body
        if len(self._entries) > self._size:
            self._entries.popitem(last=False)
