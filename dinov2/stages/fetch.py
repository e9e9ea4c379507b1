"""The command `dinov2 fetch`: a registered model's weights as a file, which a run can name and be reproduced from."""

from dinov2.registry.fetch import fetch_weights
from dinov2.stages.context import Context
from dinov2.storage import file_sha256


def fetch(context: Context, uri: str, to: str) -> None:
    """Write the weights of a registered model version to a file of the workspace, and say what they are.

    Raises:
        UserError: MLflow has no such version, or cannot be reached.
    """
    path = context.path(to)
    found = fetch_weights(uri, path, context.settings, context.root)
    print(f"{to}: {found}, sha256 {file_sha256(path)}")
