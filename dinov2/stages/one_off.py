"""`dinov2 evaluate --model X --dataset DIR`: any backbone on any folder, in a workspace or outside of one."""

import json
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import torch

from dinov2.config import parse, read_yaml
from dinov2.errors import ConfigError
from dinov2.evaluation.backbones import Backbone, open_backbone
from dinov2.evaluation.config import EvaluateConfig
from dinov2.evaluation.features import Extractor
from dinov2.evaluation.measure import measure
from dinov2.evaluation.measured import MEAN, Measured, mean_over
from dinov2.evaluation.pictures.of_judged import pictures, watchers
from dinov2.evaluation.report import html
from dinov2.evaluation.sets.layouts import read_set
from dinov2.evaluation.sets.task import Classification, Task
from dinov2.evaluation.table import table, times
from dinov2.evaluation.tasks import TASKS, Setting
from dinov2.evaluation.tasks.about import about
from dinov2.evaluation.versus import against, versus
from dinov2.registry.fetch import PREFIX, SUFFIX, fetch_weights
from dinov2.settings import Settings, load_settings
from dinov2.stages.params import PARAMS
from dinov2.stages.told import SEED, Asked, Told
from dinov2.storage import Store, write_text

STORE = ".store"
"""Where features are kept outside of a workspace, unless DINOV2_STORE says otherwise."""


def evaluate(asked: Asked, as_json: bool = False) -> None:
    """Judge a backbone and its controls, and print a table for each set as it is done, or all as one line of JSON.

    Args:
        asked: what.
        as_json: print JSON on standard output, and nothing else.

    Raises:
        UserError: an option, a file or a set is wrong; names it.
    """
    if asked.against == asked.model:
        raise ConfigError(f"--against {asked.against}: is --model itself; another is to be compared")
    settings, root = load_settings(), Path.cwd()
    own = parse(EvaluateConfig, read_yaml(Path(asked.config)), asked.config) if asked.config else EvaluateConfig()
    tasks = _sets(asked.datasets, asked.layout)
    names = _asked(tasks, [name for each in asked.protocols for name in each.split(",") if name])
    page = _page(asked.report)
    torch.set_num_threads(settings.threads_each)
    device = torch.device(settings.torch_device)
    extractor = Extractor(_store(settings, root), settings.threads_each, own.image_features, own.patch_features)
    setting = Setting(own, extractor, SEED, device)
    with ExitStack() as stack:
        ours = stack.enter_context(_opened(asked.model, settings, root, device))
        other = stack.enter_context(_opened(asked.against, settings, root, device)) if asked.against else None
        told = _judge(asked, list(zip(tasks, names, strict=True)), ours, other, setting, as_json)
    if page:
        write_text(page, html(told.report(asked, ours)))
    if as_json:
        print(json.dumps(told.document(asked, ours, other, own), allow_nan=False, ensure_ascii=False))


def _judge(
    asked: Asked,
    tasks: Sequence[tuple[Task, tuple[str, ...]]],
    model: Backbone,
    other: Backbone | None,
    setting: Setting,
    as_json: bool,
) -> Told:
    told, classes, their_classes = Told(), list[Measured](), list[Measured]()
    second, name = (other, str(asked.against)) if other else (model.twin(SEED + 1), "random weights")
    shown = {asked.model: model} | ({name: second} if second else {})
    for task, names in tasks:
        seen = {asked.model: watchers(task, names)}
        ours, theirs = measure(task, model, names, replace(setting, watchers=seen[asked.model])), None
        if other:
            seen[name] = watchers(task, names)
            theirs = measure(task, other, names, replace(setting, watchers=seen[name]), {})
        told.sets[task.name] = about(task)
        if asked.report:
            told.pictures += pictures(task, shown, setting, seen)
        if isinstance(task, Classification):
            classes.append(ours)
            their_classes += [theirs] if theirs else []
        _tell(told, ours, theirs, asked, as_json)
    if len(classes) > 1 and (mean := mean_over(classes)):
        _tell(told, mean, mean_over(their_classes) if their_classes else None, asked, as_json)
    return told


def _tell(told: Told, ours: Measured, theirs: Measured | None, asked: Asked, as_json: bool) -> None:
    """Keep what was found of a set, and print it at once: what follows may take hours."""
    compared = versus(ours, theirs, SEED) if theirs else []
    told.ours.append(ours)
    told.versus += compared
    if as_json:
        return
    beside = against(compared, asked.model, str(asked.against)) if compared else ()
    what = [f"{name}: {each}" for name, each in told.sets.items() if name == ours.dataset]
    for line in (*table(ours.rows(SEED)), *beside, *what, *times(ours.dataset, ours.seconds), ""):
        print(line, flush=True)


def _page(report: str | None) -> Path | None:
    """Where the page will be written: its folder is there, which is found out before hours of work.

    Raises:
        ConfigError: it is a folder, or its folder cannot be made or written to.
    """
    if report is None:
        return None
    page = Path(report)
    if page.suffix not in (".html", ".htm") or page.is_dir():
        raise ConfigError(f"--report {report!r}; allowed: a file that ends in .html")
    try:
        page.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"--report {report}: {error.filename}: {error.strerror}") from None
    if not os.access(page.parent, os.W_OK):
        raise ConfigError(f"--report {report}: {page.parent} cannot be written to")
    return page


def _sets(folders: Sequence[str], layout: str | None) -> list[Task]:
    tasks = [read_set(_named(Path(folder)), layout) for folder in folders]
    names = [task.name for task in tasks]
    if len(names) > 1 and MEAN in names:
        raise ConfigError(f"--dataset: a folder is called {MEAN!r}, as the mean over sets is; it needs another name")
    if twice := [name for name in names if names.count(name) > 1]:
        raise ConfigError(
            f"--dataset: {names.count(twice[0])} folders are called {twice[0]!r}; each needs its own name"
        )
    return tasks


def _named(folder: Path) -> Path:
    """With a last part that a set can be called by: "." has none."""
    return folder if folder.name not in ("", "..") else folder.resolve()


def _asked(tasks: Sequence[Task], names: Sequence[str]) -> list[tuple[str, ...]]:
    """Of the protocols named those that fit each task; none where none is named.

    Raises:
        ConfigError: one fits no task, or none fits a task.
    """
    fitting = [TASKS[type(task)].fitting(task) for task in tasks]
    allowed = tuple(dict.fromkeys(name for each in fitting for name in each))
    if strange := [name for name in names if name not in allowed]:
        sets = ", ".join(f"{task.name} ({type(task).__name__.lower()})" for task in tasks)
        raise ConfigError(f"--protocol {strange[0]!r}: fits none of {sets}; allowed: {', '.join(allowed)}")
    found = [tuple(name for name in dict.fromkeys(names) if name in each) for each in fitting]
    for task, own, each in zip(tasks, found, fitting, strict=True):
        if names and not own:
            raise ConfigError(f"--protocol {','.join(names)}: none fits {task.name}; allowed there: {', '.join(each)}")
    return found


def _store(settings: Settings, root: Path) -> Store:
    told = (root / PARAMS).is_file() or "store" in settings.model_fields_set
    return Store(settings.store if told else STORE, root)


@contextmanager
def _opened(model: str, settings: Settings, root: Path, device: torch.device) -> Iterator[Backbone]:
    if not model.startswith(PREFIX):
        yield open_backbone(model, SEED, device)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"model{SUFFIX}"
        told = fetch_weights(model, path, settings, root)
        print(f"{model}: {told}", file=sys.stderr, flush=True)
        yield open_backbone(str(path), SEED, device)
