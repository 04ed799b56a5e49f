"""One line of JSON per request, written in larger pieces: a system call per line would cost more than the line."""

import sys
import time
from datetime import UTC, datetime

import orjson

FLUSH_BYTES = 4096


class LogLines:
    """Lines on their way to stdout. What is left is written by `flush`, at the end of the process."""

    def __init__(self) -> None:
        self._pending = bytearray()

    def request(self, *, request_id: str, method: str, path: str, status: int, began: float) -> None:
        line = {
            "level": "info",
            "time": datetime.now(UTC),
            "event": "request_completed",
            "request_id": request_id,
            "method": method,
            "path": path,
            "status": status,
            "duration_ms": round((time.perf_counter() - began) * 1000, 3),
        }
        self._pending += orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)
        if len(self._pending) >= FLUSH_BYTES:
            self.flush()

    def flush(self) -> None:
        sys.stdout.buffer.write(self._pending)
        sys.stdout.buffer.flush()
        self._pending.clear()
