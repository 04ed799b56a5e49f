"""The reference system's own baseline: Flask on gunicorn with gevent. The model runs in gevent's thread pool."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import gevent
import orjson
from flask import Flask, Response, g, request
from pydantic import ValidationError
from redis import Redis

from log_lines import LogLines
from lru import Lru
from models import HEALTH, Answer, Classifier, Embedder, finished
from request_models import EmbedRequest, PredictRequest

MODELS = Path(os.environ["MODEL_DIR"])
REDIS_PORT = int(os.environ.get("REDIS_PORT", "0"))
TTL_SECONDS = 3600

classifier = Classifier(MODELS / "banking-intents")
embedder = Embedder(MODELS / "minilm")
lru = Lru(int(os.environ.get("PEER_LRU", "10000")))
log = LogLines()
redis = Redis("127.0.0.1", REDIS_PORT) if REDIS_PORT else None
application = Flask(__name__)


@application.before_request
def begin() -> None:
    g.began = time.perf_counter()
    g.request_id = request.headers.get("x-request-id") or str(uuid4())


@application.after_request
def end(response: Response) -> Response:
    response.headers["X-Request-ID"] = g.request_id
    log.request(
        request_id=g.request_id,
        method=request.method,
        path=request.path,
        status=response.status_code,
        began=g.began,
    )
    return response


@application.errorhandler(ValidationError)
def refuse(error: ValidationError) -> Response:
    return Response(error.json(include_input=False), 422, mimetype="application/json")


@application.get("/health")
def health() -> Response:
    return Response(orjson.dumps(HEALTH), mimetype="application/json")


@application.post("/predict")
def predict() -> Response:
    body = PredictRequest.model_validate_json(request.get_data(cache=False))
    return answer(body.key(), lambda: classifier.classify(body.text, body.top_k, body.temperature))


@application.post("/embed")
def embed() -> Response:
    body = EmbedRequest.model_validate_json(request.get_data(cache=False))
    return answer(body.key(), lambda: embedder.embed(body.texts(), body.normalize))


def answer(key: str, compute: Callable[[], Answer]) -> Response:
    """From the process's own cache, else from Redis, else from the model."""
    cache, compute_ms = "hit", 0.0
    body = lru.get(key)
    if body is None:
        body = redis.get(key) if redis else None
        if body is None:
            made = gevent.get_hub().threadpool.apply(compute)
            cache, body, compute_ms = "miss", made.body, made.compute_ms
            if redis:
                redis.set(key, body, ex=TTL_SECONDS)
        lru.put(key, body)
    latency_ms = (time.perf_counter() - g.began) * 1000
    headers = {"X-Cache": cache, "Server-Timing": f"compute;dur={compute_ms:.3f}"}
    return Response(finished(body, latency_ms), headers=headers, mimetype="application/json")
