"""What every section of params.yaml has in common: frozen, strict, finite, and no default that the file does not show.

Strict means that a number in quotes is not a number and 1 is not true: YAML typing slips surface here and not as a
wrong result. https://docs.pydantic.dev/latest/concepts/strict_mode/
"""

import difflib
import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError


class Params(BaseModel):
    """A frozen object with exactly the keys of its class."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _every_key_is_known(cls, raw: Any) -> Any:
        if isinstance(raw, dict):
            for key in raw.keys() - cls.model_fields.keys():
                near = difflib.get_close_matches(str(key), cls.model_fields, n=1, cutoff=0.5)
                known = f"did you mean '{near[0]}'?" if near else f"known here: {', '.join(cls.model_fields)}"
                raise PydanticCustomError("unknown_key", "unknown key; {known}", {"key": str(key), "known": known})
        return raw


def _is_device(name: str) -> str:
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?|mps", name):
        raise ValueError(f"auto, cpu, cuda, cuda:1 (and so on) or mps, not '{name}'")
    return name


def _is_launcher(command: str) -> str:
    if not re.search(r"(^|\s)(python|torchrun)(\s.*)?\s-m$", command):
        raise ValueError(f"'python -m', or 'torchrun', its options and '-m', not '{command}'")
    return command


Launcher = Annotated[str, AfterValidator(_is_launcher)]  # what dvc.yaml starts a stage with
Seed = Annotated[int, Field(ge=0, lt=2**31)]
Count = Annotated[int, Field(ge=1)]
Probability = Annotated[float, Field(ge=0, le=1)]
Share = Annotated[float, Field(gt=0, lt=1)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Device = Annotated[str, AfterValidator(_is_device)]
Precision = Literal["auto", "float32", "bfloat16"]  # of convolutions and products; device.py says what auto is

# YAML has lists only; the object holds tuples, so that it is frozen all through.
Counts = Annotated[tuple[Count, ...], Field(strict=False, min_length=1)]
Positives = Annotated[tuple[Positive, ...], Field(strict=False, min_length=1)]
