"""A program of the operator's that may be run on devices."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class Tool(BaseModel):
    """A file of the live response library that may be run on devices: what it has to hash to. `platform` and
    `architecture` say where it runs; without them its name does.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    sha256: Annotated[str, Field(pattern=r"^[0-9A-Fa-f]{64}$")]
    platform: Literal["linux", "macos", "windows", ""] = ""
    architecture: str = ""
