"""Who may speak to whom, worked out from NetworkPolicies as the Kubernetes documentation defines them."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from k8s.check.render import Manifest
from k8s.check.selectors import matches


@dataclass(frozen=True)
class Pod:
    """A pod; one outside the cluster has no namespace and an address that matters."""

    name: str
    namespace: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    address: str = "10.244.0.9"


def allowed(policies: list[Manifest], source: Pod, target: Pod, port: int, protocol: str = "TCP") -> bool:
    """Whether both ends let the connection through."""
    out = _passes(policies, source, target, port, protocol, ("Egress", "egress", "to"))
    return out and _passes(policies, target, source, port, protocol, ("Ingress", "ingress", "from"))


def _passes(policies: list[Manifest], pod: Pod, peer: Pod, port: int, protocol: str, way: tuple[str, str, str]) -> bool:
    kind, rules, peers = way
    mine = [
        policy["spec"]
        for policy in policies
        if policy["metadata"]["namespace"] == pod.namespace
        and kind in policy["spec"]["policyTypes"]
        and matches(policy["spec"]["podSelector"], pod.labels)
    ]
    if not mine:
        return True  # no policy of this direction selects the pod
    return any(
        _port(rule, port, protocol) and any(_peer(entry, pod, peer) for entry in rule.get(peers, [{}]))
        for spec in mine
        for rule in spec.get(rules, [])
    )


def _port(rule: Manifest, port: int, protocol: str) -> bool:
    ports = rule.get("ports")
    return not ports or any((entry["port"], entry.get("protocol", "TCP")) == (port, protocol) for entry in ports)


def _peer(entry: Mapping[str, Any], own: Pod, peer: Pod) -> bool:
    if "ipBlock" in entry:
        address, block = ipaddress.ip_address(peer.address), entry["ipBlock"]
        inside = address in ipaddress.ip_network(block["cidr"])
        # Addresses of pods are not meant to be matched by blocks, and are not relied on here.
        return (
            inside
            and not peer.namespace
            and not any(address in ipaddress.ip_network(part) for part in block.get("except", []))
        )
    if "namespaceSelector" in entry:
        if not matches(entry["namespaceSelector"], {"kubernetes.io/metadata.name": peer.namespace}):
            return False
    elif peer.namespace != own.namespace:
        return False
    return matches(entry.get("podSelector", {}), peer.labels)
