"""
The reference system: FastAPI and Pydantic v2, inference in threads off the event loop, answers cached in process and
in Redis. Tried: threads beat a process pool, four workers beat two at p99, an LRU before Redis beats Redis alone.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import orjson
from fastapi import FastAPI, Response

from log_lines import LogLines
from lru import Lru
from models import HEALTH, Answer, Classifier, Embedder, finished
from redis_pipeline import RedisPipeline
from request_models import EmbedRequest, PredictRequest

MODELS = Path(os.environ["MODEL_DIR"])
REDIS_PORT = int(os.environ.get("REDIS_PORT", "0"))
THREADS = int(os.environ.get("PEER_THREADS", "1"))
TTL_SECONDS = 3600

classifier = Classifier(MODELS / "banking-intents")
embedder = Embedder(MODELS / "minilm")
pool = ThreadPoolExecutor(THREADS)
lru = Lru(int(os.environ.get("PEER_LRU", "10000")))
log = LogLines()
redis: RedisPipeline | None = None


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    global redis
    if REDIS_PORT:
        redis = await RedisPipeline.connect("127.0.0.1", REDIS_PORT, TTL_SECONDS)
    yield
    log.flush()


app = FastAPI(lifespan=lifespan, openapi_url=None)


@app.get("/health")
async def health() -> Response:
    return Response(orjson.dumps(HEALTH), media_type="application/json")


@app.post("/predict")
async def predict(body: PredictRequest) -> Response:
    return await answer(body.key(), lambda: classifier.classify(body.text, body.top_k, body.temperature))


@app.post("/embed")
async def embed(body: EmbedRequest) -> Response:
    return await answer(body.key(), lambda: embedder.embed(body.texts(), body.normalize))


async def answer(key: str, compute: Callable[[], Answer]) -> Response:
    """From the process's own cache, else from Redis, else from the model, which runs in a thread."""
    began = time.perf_counter()
    cache, compute_ms = "hit", 0.0
    body = lru.get(key)
    if body is None:
        body = await redis.get(key) if redis else None
        if body is None:
            made = await asyncio.get_running_loop().run_in_executor(pool, compute)
            cache, body, compute_ms = "miss", made.body, made.compute_ms
            if redis:
                redis.put(key, body)
        lru.put(key, body)
    latency_ms = (time.perf_counter() - began) * 1000
    headers = {"X-Cache": cache, "Server-Timing": f"compute;dur={compute_ms:.3f}"}
    return Response(finished(body, latency_ms), headers=headers, media_type="application/json")


class RequestLog:
    """Gives every request an id and a line in the log. Plain ASGI: Starlette's middleware class costs a task each."""

    def __init__(self, inner: FastAPI) -> None:
        self._inner = inner

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] != "http":
            return await self._inner(scope, receive, send)
        began = time.perf_counter()
        request_id = next((value for name, value in scope["headers"] if name == b"x-request-id"), None)
        request_id = request_id or str(uuid4()).encode()
        status = 500

        async def send_with_id(message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"].append((b"x-request-id", request_id))
            await send(message)

        try:
            await self._inner(scope, receive, send_with_id)
        finally:
            log.request(
                request_id=request_id.decode("latin-1"),
                method=scope["method"],
                path=scope["path"],
                status=status,
                began=began,
            )


application = RequestLog(app)
