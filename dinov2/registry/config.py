"""Parameters of registration."""

from typing import Annotated

from pydantic import Field

from dinov2.config import Config


class RegisterConfig(Config):
    """Under which names backbones are registered: `<prefix>-<model>`."""

    prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")] = "dinov2"
