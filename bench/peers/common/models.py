"""The two models of the bench as the peers run them: the same files, the same arithmetic, Python's ONNX Runtime."""

import json
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime as ort
import orjson
from tokenizers import Encoding, Tokenizer

VERSION = "1"


@dataclass(frozen=True, slots=True)
class Answer:
    """The part of an answer that depends on the request alone, as JSON bytes, and what the model took to make it."""

    body: bytes
    compute_ms: float


class OnnxModel:
    """A session and a tokenizer. `run` may be called from any thread: the engine and the tokenizer release the GIL."""

    def __init__(self, folder: Path) -> None:
        files = folder / VERSION
        options = ort.SessionOptions()
        # One thread per run, as many runs at once as there are processes: the fastest on few cores.
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self.config = json.loads((files / "config.json").read_text())
        self._session = ort.InferenceSession(files / "model.onnx", options, providers=["CPUExecutionProvider"])
        self._inputs = [spec.name for spec in self._session.get_inputs()]
        self._outputs = [self._session.get_outputs()[0].name]
        tokenizer_config = json.loads((files / "tokenizer_config.json").read_text())
        self._max_tokens: int = tokenizer_config["model_max_length"]
        self._tokenizer = Tokenizer.from_file(str(files / "tokenizer.json"))
        self._tokenizer.enable_truncation(self._max_tokens)

    def run(self, text: str) -> tuple[np.ndarray, Encoding]:
        """The first output of one text, without its batch dimension."""
        encoding = self._tokenizer.encode(text)
        columns = {
            "input_ids": encoding.ids,
            "attention_mask": encoding.attention_mask,
            "token_type_ids": encoding.type_ids,
        }
        feeds = {name: np.array([columns[name]], dtype=np.int64) for name in self._inputs}
        return self._session.run(self._outputs, feeds)[0][0], encoding


class Classifier:
    """`banking-intents`: a text to its best classes."""

    def __init__(self, folder: Path) -> None:
        self._model = OnnxModel(folder)
        self._labels = [self._model.config["id2label"][str(index)] for index in range(self._model.config["num_labels"])]

    def classify(self, text: str, top_k: int, temperature: float) -> Answer:
        began = time.perf_counter()
        logits, encoding = self._model.run(text)
        scores = softmax(logits.astype(np.float64), temperature)
        metadata = {"tokens": len(encoding.ids), "truncated": bool(encoding.overflowing)}
        predictions = [
            {"label": self._labels[index], "score": float(scores[index]), "metadata": {"index": int(index), **metadata}}
            for index in np.argsort(-scores, kind="stable")[:top_k]
        ]
        body = b'{"predictions":' + orjson.dumps(predictions)
        return Answer(body, (time.perf_counter() - began) * 1000)


class Embedder:
    """`minilm`: texts to vectors of 384 numbers: the mean over the tokens, scaled to length 1."""

    def __init__(self, folder: Path) -> None:
        self._model = OnnxModel(folder)

    def embed(self, texts: list[str], normalize: bool) -> Answer:
        # One by one: on a CPU, a batch of unlike lengths loses more to its padding than it gains.
        began = time.perf_counter()
        rows = [self._model.run(text) for text in texts]
        vectors = np.stack([hidden.mean(axis=0, dtype=np.float64) for hidden, _ in rows])
        if normalize:
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        usage = {
            "tokens": sum(len(encoding.ids) for _, encoding in rows),
            "truncated": sum(bool(encoding.overflowing) for _, encoding in rows),
        }
        embeddings = orjson.dumps(vectors.astype(np.float32), option=orjson.OPT_SERIALIZE_NUMPY)
        shape = b',"dimensions":%d,"usage":' % vectors.shape[1]
        body = b'{"embeddings":' + embeddings + shape + orjson.dumps(usage)
        return Answer(body, (time.perf_counter() - began) * 1000)


def softmax(logits: np.ndarray, temperature: float) -> np.ndarray:
    """The scores of exclusive classes; temperature 0 gives the best class 1."""
    if temperature == 0:
        return (np.arange(logits.size) == logits.argmax()).astype(np.float64)
    weights = np.exp((logits - logits.max()) / temperature)
    return weights / weights.sum()


def finished(body: bytes, latency_ms: float) -> bytes:
    """A whole answer: the bytes of the cache, spliced with what is new in each answer."""
    return b'%b,"latency_ms":%.3f,"model_version":"%b"}' % (body, latency_ms, VERSION.encode())


HEALTH = {
    "status": "ready",
    "models": [
        {"name": name, "version": VERSION, "state": "ready", "pinned": True, "reason": ""}
        for name in ("banking-intents", "minilm")
    ],
    "components": {"models": {"status": "up", "reason": ""}, "executors": {"status": "up", "reason": ""}},
}
