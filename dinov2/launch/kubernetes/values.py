"""Kinds of values in k8s/jobs.yaml, checked before the API server would."""

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, StringConstraints

Manifest = dict[str, Any]
"""A Kubernetes object, or a part of one, as YAML has it."""

UNITS = {"": 1.0, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15}
UNITS |= {f"{unit}i": 1024.0**power for power, unit in enumerate("KMGTP", start=1)}


def amount(quantity: str) -> float:
    """How much a quantity such as 500m or 16Gi is, in cores or bytes.

    Raises:
        ValueError: it is none.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([A-Za-z]*)", quantity)
    if not found or found[2] not in UNITS:
        raise ValueError("not a quantity; these are some: 8, 500m, 64Gi, 1.5T")
    return float(found[1]) * UNITS[found[2]]


def matching(pattern: str, wanted: str, longest: int) -> AfterValidator:
    """Refuse text that is not `wanted`, in those words."""

    def check(text: str) -> str:
        if not re.fullmatch(pattern, text) or len(text) > longest:
            raise ValueError(f"not {wanted}")
        return text

    return AfterValidator(check)


def _some(quantity: str) -> str:
    if amount(quantity) <= 0:
        raise ValueError("must be more than 0")
    return quantity


def _as_text(value: object) -> object:
    """YAML's numbers and truth values in letters."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else value


_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_PART = "[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?"

Text = Annotated[str, StringConstraints(min_length=1, pattern=r"^\S+$")]
Scalar = Annotated[str, BeforeValidator(_as_text)]
Quantity = Annotated[str, BeforeValidator(_as_text), AfterValidator(_some)]
DnsLabel = Annotated[str, matching(_LABEL, "a DNS label: a-z, 0-9 and - within, 63 at most", 63)]
DnsName = Annotated[str, matching(rf"{_LABEL}(\.{_LABEL})*", "a DNS name: a-z, 0-9, and - or . within", 253)]
Key = Annotated[str, matching(rf"({_LABEL}(\.{_LABEL})*/)?{_PART}", "a key of Kubernetes: [domain/]name", 317)]
LabelValue = Annotated[str, BeforeValidator(_as_text), matching(f"({_PART})?", "the value of a label", 63)]
EnvName = Annotated[str, matching("[A-Za-z_][A-Za-z0-9_]*", "the name of an environment variable", 1024)]
