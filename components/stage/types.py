"""The types that all sections of params.yaml share: frozen, strict, finite, and without hidden defaults.

Strict means that a number in quotes is not a number and 1 is not true, so that a slip in YAML's types is reported
instead of giving a wrong result. https://docs.pydantic.dev/latest/concepts/strict_mode/
"""

import difflib
import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from components.stage.shown import show


class Params(BaseModel):
    """The base of all parameter classes: a frozen object with exactly the keys of its class."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown_keys(cls, raw: Any) -> Any:
        if isinstance(raw, dict):
            for key in [key for key in raw if key not in cls.model_fields]:
                near = difflib.get_close_matches(str(key)[:100], cls.model_fields, n=1, cutoff=0.5)
                known = f"did you mean '{near[0]}'?" if near else f"known here: {', '.join(cls.model_fields)}"
                raise PydanticCustomError("unknown_key", "unknown key; {known}", {"key": str(key), "known": known})
        return raw


def describe_mistake(error: ValidationError) -> str:
    """Describe in a line the first mistake in a file that a program wrote, with its key."""
    slip = error.errors(include_url=False)[0]
    key = ".".join(str(part) for part in slip["loc"])
    return f"{f'{key[:100]}: ' if key else ''}{slip['msg'][:200]}"


def _check_device(name: str) -> str:
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?|mps", name):
        raise ValueError(f"auto, cpu, cuda, cuda:1 (and so on) or mps, not {show(name)}")
    return name


def _check_launcher(command: str) -> str:
    if not re.search(r"(^|\s)(python|torchrun)(\s.*)?\s-m$", command):
        raise ValueError(f"'python -m', or 'torchrun', its options and '-m', not {show(command)}")
    return command


# The upper bounds are far above all that makes sense: they find slips, and keep what is computed from a number finite.
Launcher = Annotated[str, Field(max_length=1000), AfterValidator(_check_launcher)]  # how dvc.yaml starts a stage
Seed = Annotated[int, Field(ge=0, lt=2**31)]
Count = Annotated[int, Field(ge=1, le=10**9)]
Several = Annotated[int, Field(ge=2, le=10**9)]
Epochs = Annotated[int, Field(ge=1, le=10**6)]
Batch = Annotated[int, Field(ge=1, le=10**6)]  # images that are computed on at the same time
Width = Annotated[int, Field(ge=1, le=2**16)]  # features of a layer
Workers = Annotated[int, Field(ge=1, le=1024)]  # threads or processes
Probability = Annotated[float, Field(ge=0, le=1)]
Share = Annotated[float, Field(gt=0, lt=1)]
Positive = Annotated[float, Field(gt=0, le=1e9)]
Temperature = Annotated[float, Field(ge=1e-6, le=1000)]  # divides a cosine, of which exp is taken
NotNegative = Annotated[float, Field(ge=0, le=1e9)]
Device = Annotated[str, Field(max_length=20), AfterValidator(_check_device)]
Precision = Literal["auto", "float32", "bfloat16"]  # of convolutions and products; see choose_precision for `auto`

# YAML has only lists; the object holds tuples, so that these are frozen, too.
Counts = Annotated[tuple[Count, ...], Field(strict=False, min_length=1, max_length=100)]
Positives = Annotated[tuple[Positive, ...], Field(strict=False, min_length=1, max_length=100)]
