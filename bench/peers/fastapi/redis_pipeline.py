"""A Redis client for one event loop: all commands of one turn of the loop leave in one write, answers come in order."""

import asyncio
from collections import deque

import hiredis


class RedisPipeline(asyncio.Protocol):
    """GET and SET over one connection. An answer that Redis refuses, or a connection that is lost, counts as a miss."""

    def __init__(self, ttl_seconds: int) -> None:
        self._ttl = str(ttl_seconds)
        self._reader = hiredis.Reader()
        self._waiting: deque[asyncio.Future[bytes | None] | None] = deque()
        self._unsent: list[bytes] = []
        self._transport: asyncio.Transport | None = None

    @classmethod
    async def connect(cls, host: str, port: int, ttl_seconds: int) -> "RedisPipeline":
        loop = asyncio.get_running_loop()
        _, protocol = await loop.create_connection(lambda: cls(ttl_seconds), host, port)
        return protocol

    def get(self, key: str) -> asyncio.Future[bytes | None]:
        future = asyncio.get_running_loop().create_future()
        if self._transport is None:
            future.set_result(None)
        else:
            self._send(("GET", key), future)
        return future

    def put(self, key: str, body: bytes) -> None:
        if self._transport is not None:
            self._send(("SET", key, body, "EX", self._ttl), None)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def connection_lost(self, _: Exception | None) -> None:
        self._transport = None
        while self._waiting:
            self._settle(None)

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        while (reply := self._reader.gets()) is not False:
            self._settle(reply if isinstance(reply, bytes) else None)

    def _send(self, command: tuple[str | bytes, ...], future: asyncio.Future[bytes | None] | None) -> None:
        if not self._unsent:
            asyncio.get_running_loop().call_soon(self._flush)
        self._unsent.append(hiredis.pack_command(command))
        self._waiting.append(future)

    def _flush(self) -> None:
        if self._transport is not None:
            self._transport.write(b"".join(self._unsent))
        self._unsent.clear()

    def _settle(self, reply: bytes | None) -> None:
        future = self._waiting.popleft()
        if future is not None and not future.done():
            future.set_result(reply)
