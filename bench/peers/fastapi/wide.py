"""How long Pydantic takes to validate the object on stdin: 47 fields on three levels. Prints percentiles in ms."""

import json
import sys
import time
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, create_model

KINDS: list[Any] = [
    Annotated[str, Field(min_length=1, max_length=1000)],
    Annotated[int, Field(ge=0, le=1000)],
    Annotated[float, Field(ge=0, le=1000)],
    bool,
    Annotated[list[str], Field(max_length=10)],
]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


def model_of(name: str, count: int, **nested: type[BaseModel]) -> type[BaseModel]:
    fields: dict[str, Any] = {f"field_{index}": (KINDS[index % len(KINDS)], ...) for index in range(count)}
    fields |= {field: (inner, ...) for field, inner in nested.items()}
    return create_model(name, __base__=Strict, **fields)


def main() -> None:
    calls = int(sys.argv[1])
    value = json.load(sys.stdin)
    customer = model_of("Customer", 11, address=model_of("Address", 12))
    validate = model_of("Wide", 9, customer=customer, order=model_of("Order", 12)).model_validate
    times = []
    for index in range(2 * calls):
        began = time.perf_counter()
        validate(value)
        if index >= calls:
            times.append((time.perf_counter() - began) * 1000)
    times.sort()
    print(json.dumps({f"p{share}": times[calls * share // 100] for share in (50, 95, 99)}))


main()
