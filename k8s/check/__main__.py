"""`make k8s-check`: base and overlays rendered and checked; 0 when all is well, 1 when not, 2 without kubectl."""

import sys

from dinov2.errors import EXIT_USER_ERROR, ConfigError
from k8s.check.render import KUSTOMIZATIONS, Manifest, render
from k8s.check.rules import broken
from k8s.check.schemas import invalid, version
from k8s.check.selectors import unused


def problems(manifests: list[Manifest]) -> list[str]:
    """What is wrong with a rendered kustomization, as messages; empty if nothing is."""
    wrong = [problem for manifest in manifests if (problem := invalid(manifest))]
    return wrong or [*(rule for manifest in manifests for rule in broken(manifest)), *unused(manifests)]


def main() -> int:
    """Check every kustomization and say what was found."""
    found = 0
    try:
        for name, folder in KUSTOMIZATIONS.items():
            manifests = render(folder)
            wrong = problems(manifests)
            found += len(wrong)
            print(f"{name}: {len(manifests)} objects, Kubernetes {version()}: {len(wrong) or 'no'} problems")
            for problem in wrong:
                print(f"  {problem}")
    except ConfigError as error:
        print(error, file=sys.stderr)
        return EXIT_USER_ERROR
    return min(found, 1)


if __name__ == "__main__":
    sys.exit(main())
