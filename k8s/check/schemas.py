"""Strict validation: against the newest Kubernetes schemas, and those of `crds.yaml` for what extends Kubernetes."""

from functools import cache
from pathlib import Path

import jsonschema
import kubernetes_validate
import yaml

from k8s.check.render import Manifest, title


def invalid(manifest: Manifest) -> str | None:
    """What is wrong with the object, a field that its kind does not have included; None if nothing is."""
    own = extensions().get(f"{manifest['apiVersion']}/{manifest['kind']}")
    try:
        if own is None:
            kubernetes_validate.validate(manifest, version(), strict=True)
        else:
            jsonschema.Draft202012Validator(own).validate(manifest)
    except kubernetes_validate.SchemaNotFoundError:
        return f"{title(manifest)}: {manifest['apiVersion']} has no schema; give it one in k8s/check/crds.yaml"
    except jsonschema.ValidationError as error:
        place = ".".join(map(str, error.absolute_path))
        return f"{title(manifest)}: {place + ': ' if place else ''}{error.message}"
    return None


def version() -> str:
    """The version of Kubernetes whose schemas are used."""
    return str(kubernetes_validate.latest_version())


@cache
def extensions() -> dict[str, Manifest]:
    """Schemas of custom resources by `group/version/Kind`."""
    loaded = yaml.safe_load(Path(__file__).with_name("crds.yaml").read_text(encoding="utf-8"))
    return {name: schema for name, schema in loaded.items() if not name.startswith("x-")}
