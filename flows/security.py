"""Who may talk to the servers: one login for both, and nothing that tells it to anyone else.

Secrets travel in the environment of the process that needs them, which only its own user can read: never on a command
line, which everyone on the machine can, in a log or on the terminal.
"""

import configparser
import os
import secrets
from pathlib import Path

from pydantic import SecretStr

from flows.addresses import Address

ASKING = "mlflow.server.auth:authenticate_request_basic_auth"


def prefect_server(login: SecretStr | None, address: Address) -> dict[str, str]:
    """Environment of Prefect's server: whom it answers. Pages of other sites cannot call it from a user's browser."""
    asks = {"PREFECT_SERVER_API_AUTH_STRING": login.get_secret_value()} if login else {}
    # The page calls the server that it came from, by whatever name or tunnel that was reached.
    return {
        "PREFECT_SERVER_UI_API_URL": "/api",
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": ",".join(address.origins),
        **asks,
    }


def prefect_client(login: SecretStr | None) -> dict[str, str]:
    """Environment of Prefect's clients."""
    return {"PREFECT_API_AUTH_STRING": login.get_secret_value()} if login else {}


def mlflow_server(login: SecretStr | None, address: Address, root: Path) -> dict[str, str]:
    """Environment of MLflow's server: whom it answers, and by which names it may be called."""
    called: dict[str, str] = {}
    if address.proxies or not address.is_loopback:
        hosts = [f"{name}{port}" for name in address.names for port in ("", f":{address.port}")]
        called = {
            "MLFLOW_SERVER_ALLOWED_HOSTS": ",".join(["localhost:*", "127.0.0.1:*", *hosts]),
            "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": ",".join(address.origins),
        }
    chosen = {name: os.environ.get(name, value) for name, value in called.items()}
    if not login:
        return chosen
    user, _, password = login.get_secret_value().partition(":")
    return {
        **chosen,
        "MLFLOW_AUTH_CONFIG_PATH": str(_mlflow_users(root)),
        "MLFLOW_AUTH_ADMIN_USERNAME": user,
        "MLFLOW_AUTH_ADMIN_PASSWORD": password,
        "MLFLOW_FLASK_SERVER_SECRET_KEY": secrets.token_hex(32),
    }


def _mlflow_users(root: Path) -> Path:
    """MLflow's list of users, made anew: it asks a user once made for the first password for ever."""
    folder = root / "var" / "mlflow-users"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    for old in folder.glob("users.db*"):
        old.unlink()
    config = configparser.ConfigParser(interpolation=None)
    config["mlflow"] = {
        "default_permission": "NO_PERMISSIONS",
        "database_uri": f"sqlite:///{folder / 'users.db'}".replace("%", "%%"),
        "authorization_function": ASKING,
    }
    path = folder / "basic-auth.ini"
    with open(path, "w", encoding="utf-8", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        config.write(file)
    return path
