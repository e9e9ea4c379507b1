"""`python -m flows.automations`: what `make up` does for its own server, for the one that PREFECT_API_URL names."""

from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL

from dinov2.errors import ConfigError, told_in_one_line
from dinov2.settings import workspace
from flows.automations import apply
from flows.settings import load_up_settings

if __name__ == "__main__":
    with told_in_one_line():
        if not PREFECT_API_URL.value():
            raise ConfigError("PREFECT_API_URL is not set; `make up` settles the automations of its own server")
        with get_client(sync_client=True) as client:
            apply(client, workspace(), load_up_settings())
