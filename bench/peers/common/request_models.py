"""What the peers take. Unknown fields and wrong types are refused, as Quayside does."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


EmbedText = Annotated[str, Field(min_length=1, max_length=100_000)]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, protected_namespaces=())


class PredictRequest(Strict):
    text: Annotated[str, Field(min_length=1, max_length=10_000)]
    model_id: Literal["banking-intents"]
    top_k: Annotated[int, Field(ge=1, le=100)] = 5
    temperature: Annotated[float, Field(ge=0, le=2)] = 0.7

    def key(self) -> str:
        return f"{self.model_id}:{self.top_k}:{self.temperature}:{self.text}"


class EmbedRequest(Strict):
    text: EmbedText | Annotated[list[EmbedText], Field(min_length=1, max_length=2048)]
    model_id: Literal["minilm"]
    normalize: bool = True

    def texts(self) -> list[str]:
        return [self.text] if isinstance(self.text, str) else self.text

    def key(self) -> str:
        return f"{self.model_id}:{self.normalize}:{self.text}"
