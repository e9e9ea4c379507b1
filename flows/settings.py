"""What `make up` is told by the environment: `DINOV2_*` variables that no stage has a use for."""

import os
import re

from pydantic import Field, PositiveInt, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from dinov2.errors import ConfigError
from flows.addresses import Address

LOGIN = re.compile(r"[!-9;-~]+:[!-~]{12,}")
"""A user without a colon, and a password as long as MLflow wants it; both servers compare ASCII."""
NAME = r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?"
SERVERS_OWN = re.compile(r"DINOV2_LOGIN$|PREFECT_(API|SERVER)_DATABASE_|PREFECT_SERVER_API_AUTH_STRING$|MLFLOW_AUTH_")
"""Variables that may hold a secret which is for servers only."""


class UpSettings(BaseSettings):
    """Read from the environment, for example `DINOV2_HOST=0.0.0.0`."""

    model_config = SettingsConfigDict(env_prefix="DINOV2_", frozen=True, extra="ignore")

    host: str = Field("127.0.0.1", min_length=1, description="address or name that both servers listen at")
    prefect_port: int = Field(4200, ge=1, le=65535)
    mlflow_port: int = Field(5000, ge=1, le=65535)
    proxies: str = Field("", pattern=rf"^({NAME}(,{NAME})*)?$", description="names of reverse proxies, with commas")
    login: SecretStr | None = Field(None, description="USER:PASSWORD that both servers ask for")
    notify: str | None = Field(
        None, pattern=r"^[^/\s]+/[^/\s]+$", description="TYPE/NAME of the notification block that messages go to"
    )
    gpu_quota: PositiveInt | None = Field(None, description="GPUs that stages of all runs may take at a time")

    @field_validator("login")
    @classmethod
    def _is_user_and_password(cls, login: SecretStr | None) -> SecretStr | None:
        if login and not LOGIN.fullmatch(login.get_secret_value()):
            raise ValueError("allowed is USER:PASSWORD in ASCII without spaces, the password of 12 characters or more")
        return login

    @property
    def prefect(self) -> Address:
        """Where Prefect's server listens."""
        return Address(self.host, self.prefect_port, self._proxies)

    @property
    def mlflow(self) -> Address:
        """Where MLflow's server listens."""
        return Address(self.host, self.mlflow_port, self._proxies)

    @property
    def _proxies(self) -> tuple[str, ...]:
        return tuple(filter(None, self.proxies.split(",")))


def load_up_settings() -> UpSettings:
    """The settings of this process.

    Raises:
        ConfigError: one is impossible, or strangers could come in: servers that other machines reach need a login.
    """
    try:
        settings = UpSettings()
    except ValidationError as error:
        raise ConfigError("\n".join(_told(str(e["loc"][0]), e["input"], e["msg"]) for e in error.errors())) from None
    if not settings.prefect.is_loopback and settings.login is None:
        raise ConfigError(
            f"DINOV2_HOST: {settings.host!r}: other machines reach it: set DINOV2_LOGIN=USER:PASSWORD, "
            "which both servers will ask for"
        )
    return settings


def take_servers_secrets() -> dict[str, str]:
    """Take out of this process's environment what only servers may know; runs, which inherit it, never see it."""
    return {name: os.environ.pop(name) for name in list(os.environ) if SERVERS_OWN.match(name)}


def _told(name: str, value: object, why: str) -> str:
    return f"DINOV2_{name.upper()}: {'***' if name == 'login' else repr(value)}: {why}"
