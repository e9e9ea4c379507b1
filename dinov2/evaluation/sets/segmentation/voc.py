"""PASCAL VOC 2012 (Everingham et al. 2010): 20 classes and the background."""

from pathlib import Path

from dinov2.evaluation.sets.layout import Layout
from dinov2.evaluation.sets.segmentation.masks import numbered
from dinov2.evaluation.sets.segmentation.paired import listed
from dinov2.evaluation.sets.splits import GIVEN
from dinov2.evaluation.sets.task import Dense

CLASSES = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable",
    "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip
BORDER = 255
LISTS = Path("ImageSets/Segmentation")
AUGMENTED, AUGMENTED_LIST = "SegmentationClassAug", "trainaug.txt"


def fits(folder: Path) -> bool:
    """Whether it has the folders of a VOC year."""
    return (folder / LISTS).is_dir() and (folder / "SegmentationClass").is_dir()


def read(folder: Path) -> Dense:
    """The lists train and val; where the augmented masks (Hariharan et al. 2011) lie beside, trainaug for training.

    Raises:
        DataError: a list, or a file that one names, is missing.
    """
    images, masks = folder / "JPEGImages", folder / "SegmentationClass"
    augmented = (folder / AUGMENTED).is_dir() and (folder / LISTS / AUGMENTED_LIST).is_file()
    train_list, train_masks = (AUGMENTED_LIST, folder / AUGMENTED) if augmented else ("train.txt", masks)
    train = listed(folder, folder / LISTS / train_list, images, train_masks)
    test = listed(folder, folder / LISTS / "val.txt", images, masks)
    numbers = numbered({number: number for number in range(len(CLASSES))}, (BORDER,))
    return Dense(folder.name, CLASSES, numbers, train, test, GIVEN)


VOC = Layout("JPEGImages/, SegmentationClass/, ImageSets/Segmentation/", fits, read)
