"""Clips by class: folders of files or of frames, and the lists of UCF101, Kinetics and Something-Something."""

import json
import re
from pathlib import Path

import numpy as np

from dinov2.errors import DataError
from dinov2.evaluation.sets.layout import Layout
from dinov2.evaluation.sets.listing import IMAGES, files, folders, holds, key, lines, table
from dinov2.evaluation.sets.splits import BY_HASH, GIVEN, by_hash
from dinov2.evaluation.sets.task import Clip, Video

CLIPS_END = frozenset((".avi", ".mp4", ".webm", ".mkv", ".mov", ".mpg", ".mpeg", ".m4v"))
PART_OF_RECORDING = re.compile(r"_c\d+$")
"""Clips of UCF101 that differ only by this are cut from one recording."""
LOOKED_AT = 3
"""Folders that are looked through for a clip: those of a set of images may hold a million files."""
TRAIN, TESTS = "train", ("test", "val", "validation")

Labelled = list[tuple[Clip, str]]


def fits(folder: Path) -> bool:
    """Whether its first folders hold clips, or folders of numbered images."""
    base = folder / TRAIN if (folder / TRAIN).is_dir() else folder
    if any(holds(each, CLIPS_END) for each in folders(base)[:LOOKED_AT]):
        return True
    return any(_are_frames(clip) for each in folders(base)[:1] for clip in folders(each)[:1])


def read(folder: Path) -> Video:
    """Clips with their classes.

    In the order in which it is looked for: UCF101's trainlist01.txt and testlist01.txt of "CLASS/clip.avi" lines;
    Something-Something's *-train.json and *-validation.json of ids and templates; train.csv and val.csv or test.csv of
    "path,label" with that header, or lines "path label" in .txt; train/CLASS/ and val/CLASS/ or test/CLASS/; CLASS/
    alone, a fifth of whose recordings, by hash, is for testing. A folder of frames counts as a clip.

    Raises:
        DataError: a list names what is not there, fewer than two classes can be trained, or there is nothing to test.
    """
    train, test, split = _given(folder) or _by_folders(folder)
    trained = sorted({label for _, label in train})
    if len(trained) < 2 or not test:
        raise DataError(f"{folder}: {len(trained)} classes with training clips and {len(test)} clips to test with")
    classes = (*trained, *sorted({label for _, label in test} - set(trained)))
    number = {name: index for index, name in enumerate(classes)}
    clips = [tuple(clip for clip, _ in part) for part in (train, test)]
    labels = [np.array([number[label] for _, label in part], dtype=np.int64) for part in (train, test)]
    return Video(folder.name, classes, len(trained), clips[0], labels[0], clips[1], labels[1], split)


def _given(folder: Path) -> tuple[Labelled, Labelled, str] | None:
    ucf = [folder / f"{part}list01.txt" for part in ("train", "test")]
    if all(path.is_file() for path in ucf):
        return _ucf(folder, ucf[0]), _ucf(folder, ucf[1]), GIVEN
    something = [next(iter(sorted(folder.glob(f"*-{part}.json"))), None) for part in (TRAIN, "validation")]
    if something[0] and something[1]:
        return _something(folder, something[0]), _something(folder, something[1]), GIVEN
    for suffix, reader in ((".csv", _csv), (".txt", _plain)):
        tests = [folder / f"{name}{suffix}" for name in TESTS if (folder / f"{name}{suffix}").is_file()]
        if tests and (folder / f"{TRAIN}{suffix}").is_file():
            return reader(folder, folder / f"{TRAIN}{suffix}"), reader(folder, tests[0]), GIVEN
    return None


def _by_folders(folder: Path) -> tuple[Labelled, Labelled, str]:
    judged = next((folder / name for name in TESTS if (folder / name).is_dir()), None)
    if (folder / TRAIN).is_dir() and judged:
        return _by_class(folder, folder / TRAIN), _by_class(folder, judged), GIVEN
    found = _by_class(folder, folder)
    recordings = [PART_OF_RECORDING.sub("", Path(clip.key).stem) for clip, _ in found]
    held = by_hash([clip.key for clip, _ in found], [label for _, label in found], recordings)
    train, test = (
        [each for each, is_test in zip(found, held, strict=True) if is_test == wanted] for wanted in (False, True)
    )
    return train, test, BY_HASH


def _by_class(root: Path, folder: Path) -> Labelled:
    return [
        (Clip(key(root, path), path), each.name)
        for each in folders(folder)
        for path in sorted([*files(each, CLIPS_END), *(below for below in folders(each) if _of_frames(below))])
    ]


def _are_frames(folder: Path) -> bool:
    """Whether all images in a folder have the same name up to a number."""
    stems = [path.stem for path in folder.iterdir() if path.suffix.lower() in IMAGES]
    return bool(stems) and len({stem.rstrip("0123456789") for stem in stems}) == 1 and stems[0][-1].isdigit()


def _of_frames(folder: Path) -> bool:
    return any(path.suffix.lower() in IMAGES for path in folder.iterdir())


def _ucf(folder: Path, path: Path) -> Labelled:
    return [(_clip(folder, line.split()[0], where), Path(line.split()[0]).parts[0]) for where, line in lines(path)]


def _plain(folder: Path, path: Path) -> Labelled:
    found = []
    for where, line in lines(path):
        name, _, label = line.rpartition(" ")
        if not name:
            raise DataError(f"{where}: {line!r} is not a path, a space and a label")
        found.append((_clip(folder, name.strip(), where), label))
    return found


def _csv(folder: Path, path: Path) -> Labelled:
    return [(_clip(folder, row["path"], where), row["label"]) for where, row in table(path, ("path", "label"))]


def _something(folder: Path, path: Path) -> Labelled:
    """[{"id": "74225", "template": "Spinning [something]", ...}, ...], the clips anywhere below the folder."""
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        labels = {str(row["id"]): str(row["template"]).replace("[", "").replace("]", "") for row in rows}
    except (ValueError, TypeError, KeyError) as error:
        raise DataError(f"{path}: not a list of clips with id and template: {error}") from None
    of_id = {each.stem: each for each in files(folder, CLIPS_END)}
    if missing := sorted(labels.keys() - of_id.keys()):
        raise DataError(f"{path}: {len(missing)} clips are not below {folder}, the first: {missing[0]}")
    return [(Clip(key(folder, of_id[name]), of_id[name]), label) for name, label in labels.items()]


def _clip(folder: Path, name: str, where: str) -> Clip:
    """A file, or a folder of frames, that a list names."""
    path = folder / name
    if Path(name).is_absolute() or ".." in Path(name).parts or not path.exists():
        raise DataError(f"{where}: {path} does not exist in the set")
    return Clip(key(folder, path), path)


CLIPS = Layout("clips or folders of frames by class, or with lists of UCF101, Kinetics or SSv2", fits, read)
