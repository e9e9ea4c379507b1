"""Results of steps of a long computation, kept in the store so that it resumes."""

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from dinov2.storage import Store, digest

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Keep:
    """Named arrays under `curation/<digest>/` in the store, each blob with its checksum beside it.

    Args:
        store: where.
        digest: names all that determines what is computed; another digest is another computation.
    """

    store: Store
    digest: str

    def within(self, *parts: object) -> "Keep":
        """The same store for a computation that also depends on `parts` (anything JSON can hold)."""
        return Keep(self.store, digest(self.digest, *parts))

    def made(self, name: str, make: Callable[[], Arrays]) -> Arrays:
        """The arrays of the step `name`: read if they are there and whole, else made by `make` and kept."""
        found = self.read(name)
        if found is not None:
            return found
        arrays = make()
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **arrays)
        self.store.write_checked(self._blob(name), buffer.getvalue())
        return arrays

    def read(self, name: str) -> Arrays | None:
        """The arrays of the step `name`; None when they are not there or damaged."""
        data = self.store.read_checked(self._blob(name))
        if data is None:
            return None
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            return dict(arrays)

    def names(self) -> set[str]:
        """The steps that were finished, by one listing."""
        suffix = ".npz.sha256"
        listed = self.store.list(f"curation/{self.digest}")
        return {name.rpartition("/")[2].removesuffix(suffix) for name in listed if name.endswith(suffix)}

    def forget(self) -> None:
        """Remove all that was kept: the computation has ended and its outcome is elsewhere."""
        self.store.delete(f"curation/{self.digest}")

    def _blob(self, name: str) -> str:
        return f"curation/{self.digest}/{name}.npz"
