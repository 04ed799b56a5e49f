"""gunicorn's worker for the FastAPI peer: uvloop and httptools, and no second line in the log."""

from uvicorn.workers import UvicornWorker


class FastWorker(UvicornWorker):
    CONFIG_KWARGS = {"loop": "uvloop", "http": "httptools", "access_log": False, "server_header": False}
