"""What every object of the cluster says of itself."""

from dinov2.launch.kubernetes.values import Manifest


def uid_of(found: Manifest) -> str:
    """What no other object is called, before or after, whatever its name."""
    return str(found["metadata"]["uid"])


def belongs_to(found: Manifest, uid: str) -> bool:
    """Whether the object of this uid owns it, rather than an earlier one of its name."""
    return any(owner["uid"] == uid for owner in found["metadata"].get("ownerReferences") or [])
