"""What every stage is given."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch

from dinov2.data.pack import packed_source
from dinov2.data.sources import ImageReader
from dinov2.errors import ConfigError
from dinov2.settings import Settings, load_settings, workspace
from dinov2.stages.params import PARAMS, Params, check_processes, load_params
from dinov2.stages.reach import check_reach
from dinov2.storage import Store


@dataclass(frozen=True)
class Context:
    """A workspace with its parameters and settings.

    Attributes:
        root: the checkout.
        params: the whole of params.yaml.
        settings: of this process.
    """

    root: Path
    params: Params
    settings: Settings

    def path(self, name: str) -> Path:
        """A file of the workspace."""
        return self.root / name

    def made(self, name: str) -> Path:
        """A file that an earlier stage makes.

        Raises:
            ConfigError: it is not there.
        """
        if not self.path(name).is_file():
            raise ConfigError(f"{name}: not there; `dvc repro` runs the stage that makes it")
        return self.path(name)

    def given(self, key: str, path: str) -> Path:
        """A file that the parameter `key` names.

        Raises:
            ConfigError: there is no such file.
        """
        found = self.path(path)
        if not found.is_file():
            raise ConfigError(f"{PARAMS}: {key}: {path!r}: no such file in {self.root}")
        return found

    @cached_property
    def store(self) -> Store:
        """Where images, shards and embeddings live."""
        return Store(self.settings.store, self.root)

    @cached_property
    def checkpoints(self) -> Store:
        """Where training keeps its checkpoints: the store, unless the settings name another place."""
        return Store(self.settings.checkpoints, self.root) if self.settings.checkpoints else self.store

    @property
    def device(self) -> torch.device:
        """What tensors are computed on."""
        return torch.device(self.settings.torch_device)

    @property
    def scratch(self) -> Path:
        """A folder of this machine for what does not fit in memory."""
        return self.root / self.settings.scratch

    @cached_property
    def reader(self) -> ImageReader:
        """Reads the images that manifests name, in their sources or in the shards of the training images."""
        return ImageReader([*self.params.ingest.sources, packed_source(self.store)], self.store, self.root)


def open_workspace(checked: bool = True) -> Context:
    """The workspace in the current folder.

    Args:
        checked: check the parameters against what there is to run them; a process of a job need not, since who
            launched it has, and may have other machines for other stages.

    Raises:
        ConfigError: it is no workspace, or a parameter or setting is wrong.
    """
    root, settings = workspace(), load_settings()
    params = load_params(root)
    if checked:
        check_processes(params, settings, root)
        check_reach(params, settings, root)
    return Context(root, params, settings)
