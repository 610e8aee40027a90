"""Pascal VOC's XML annotations, in one folder with the images or in folders of their own.

| layout | annotations | images | splits |
|---|---|---|---|
| VOC, CVAT | `Annotations/` | `JPEGImages/` | `ImageSets/Main/SPLIT.txt` |
| two folders | `annotations/` | `images/` | none |
| one folder (LabelImg, Roboflow) | beside the images | `SPLIT/` | a folder each |

VOC counts pixels from 1 and includes the last: `xmin 1, xmax 10` covers 0..10 in our continuous
coordinates. A `difficult` object, which VOC neither rewards nor punishes, is a crowd here.
`masks/NAME.png` may stand beside them, with values that `masks/classes.txt` names or that are our class
ids.

Source: Everingham et al. 2010, "The Pascal Visual Object Classes (VOC) Challenge", and its
development kit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Mapping, Sequence
from pathlib import Path, PurePosixPath
from xml.etree import ElementTree

import numpy as np

from mtv_perception.data.formats.base import Contents, Entry, ReadOptions, Split, are_splits
from mtv_perception.data.formats.coco_index import short
from mtv_perception.data.formats.files import (
    MaskFolder,
    as_side,
    by_path,
    child,
    files,
    folders,
    is_folder,
    mask_names,
    read_text,
    read_xml,
    shown,
)
from mtv_perception.errors import DatasetError
from mtv_perception.media.files import IMAGE_SUFFIXES

_CORNERS = ("xmin", "ymin", "xmax", "ymax")
# From the first and last pixel, counted from 1, to the edges.
_TO_EDGES = np.array([-1.0, -1.0, 0.0, 0.0])
_OF_OBJECTS = frozenset({"object", "bndbox", "xmin"})
_DIFFICULT = {"": False, "0": False, "false": False, "1": True, "true": True}
_XML_FOLDERS = ("Annotations", "xml", "xmls", "labels")
_IMAGE_FOLDERS = ("JPEGImages", "images", "img", "imgs")
_UNION, _PARTS_OF_UNION, _TRAIN = "trainval", ("train", "val"), "train"
_MARKS = ("-1", "0", "1")


class VocFormat:
    """Pascal VOC's XML annotations; see the module's table."""

    layout = "Annotations/ and JPEGImages/; or XML files beside the images, perhaps in SPLIT/"

    def find(self, root: Path) -> tuple[Split, ...]:
        """See Format."""
        if not is_folder(root):
            return ()
        folder = _xml_folder(root)
        if folder is not None:
            named = _lists_of_splits(root, folder)
            splits = (Split(_TRAIN if p.stem == _UNION else p.stem, (p,)) for p in named)
            return tuple(splits) or (Split("", (folder,)),)
        if _has_annotations(root):
            return (Split("", (root,)),)
        found = [folder for folder in folders(root) if _has_annotations(folder)]
        if not are_splits(folder.name for folder in found):
            return ()
        return tuple(Split(folder.name, (folder,)) for folder in found)

    def read(self, root: Path, split: Split, options: ReadOptions) -> Contents:
        """See Format: every image that has an annotation."""
        (source,) = split.sources
        home = root if _xml_folder(root) else source
        annotations = _xml_folder(home) or home
        images, faults = by_path(child(home, *_IMAGE_FOLDERS) or home, IMAGE_SUFFIXES, root)
        paths, doubled = by_path(annotations, (".xml",), root)
        listed = set(_keys(source, paths)) if source.is_file() else None
        faults += doubled
        lost = sorted((listed or set()) - set(paths))
        faults += [f"{shown(source, root)}: {key}: no such annotation" for key in lost]
        reader = _Reader(root, home, images, set(paths))
        notes = [] if listed is None else _unlisted(root, annotations, set(paths))
        entries = []
        for key, path in paths.items():
            if listed is None or key in listed:
                entry, found = reader.entry(key, path)
                entries += [] if entry is None else [entry]
                faults += found
        return Contents(
            tuple(entries),
            mask_names=mask_names(home / "masks"),
            faults=tuple(faults),
            notes=(*reader.notes(listed), *notes),
        )


def _xml_folder(root: Path) -> Path | None:
    """The folder of annotations, where it is apart from the images."""
    folder = child(root, *_XML_FOLDERS)
    if folder is None or not folder.is_dir():
        return None
    clear = folder.name == "Annotations"
    return folder if clear or files(folder, ".xml") else None


def _has_annotations(folder: Path) -> bool:
    """Whether XML files of VOC stand in a folder, looking at the first."""
    first = next(iter(files(folder, ".xml")), None)
    if first is None:
        return False
    try:
        return read_xml(first).tag == "annotation"
    except DatasetError:
        return True


def _image_lists(root: Path, annotations: Path) -> list[Path]:
    """The lists of images; lists of one class have a second column of -1, 0 and 1."""
    keys = by_path(annotations, (".xml",), root)[0]
    lists = files(root / "ImageSets" / "Main", ".txt")
    return [path for path in lists if not _is_of_class(_keys(path, keys), keys)]


def _lists_of_splits(root: Path, annotations: Path) -> list[Path]:
    """The lists of images, without one that repeats the others."""
    lists = _image_lists(root, annotations)
    union = next((path for path in lists if path.stem == _UNION), None)
    if union is None:
        return lists
    others = [path for path in lists if path != union]
    named = {key for path in others for key in _keys(path)}
    if set(_keys(union)) <= named or any(path.stem == "val" for path in others):
        return others
    return [union, *(path for path in others if path.stem not in _PARTS_OF_UNION)]


def _is_of_class(lines: Sequence[str], keys: Container[str]) -> bool:
    """Whether each line is an image's name and a mark. A name may also hold a blank and end in 1."""
    parts = [line.rsplit(maxsplit=1) for line in lines]
    marked = all(len(part) == 2 and part[1] in _MARKS for part in parts)
    return bool(lines) and marked and not all(line in keys for line in lines)


def _keys(path: Path, known: Container[str] = ()) -> list[str]:
    """The lines of a list, without the quotes that some tools write.

    A folder stays where a file of that path is known.
    """
    lines = (line.strip().strip("\"'") for line in read_text(path).splitlines())
    paths = (PurePosixPath(line.replace("\\", "/")) for line in lines if line)
    return [str(path) if str(path) in known else path.name for path in paths]


def _unlisted(root: Path, annotations: Path, keys: set[str]) -> list[str]:
    """Tells how many annotations stand in no list."""
    lists = _lists_of_splits(root, annotations)
    count = len(keys - {key for path in lists for key in _keys(path, keys)})
    return (
        [f"{count} annotations stand in no list of ImageSets/Main and are left out"]
        if count
        else []
    )


class _Reader:
    """The annotations of one folder.

    Args:
        root: of the data set.
        home: folder that images, annotations and masks are in.
        images: by path without suffix, below their folder.
        keys: of the annotations, in the same way.
    """

    def __init__(self, root: Path, home: Path, images: Mapping[str, Path], keys: set[str]) -> None:
        self._root, self._images, self._keys = root, images, keys
        self._inside = {path: Path(key).with_name(path.name) for key, path in images.items()}
        names = Counter(path.stem for path in images.values())
        self._named = {path.stem: path for path in images.values() if names[path.stem] == 1}
        self._masks = MaskFolder(home / "masks", self._inside.values())
        self._stale: list[str] = []

    def entry(self, key: str, path: Path) -> tuple[Entry | None, list[str]]:
        """What one file says, and what is wrong with it."""
        where = shown(path, self._root)
        try:
            annotation = read_xml(path)
        except DatasetError as error:
            reason = str(error).removeprefix(f"{path}: ")
            return None, [f"{where}: {reason}"]
        names, boxes, crowd = [], [], []
        faults = [f"{where}: {text}" for text in _out_of_place(annotation)]
        for number, item in enumerate(annotation.iterfind("object")):
            stated_names = [(found.text or "").strip() for found in item.findall("name")]
            name, box = "".join(stated_names), _box(item)
            if not name or len(stated_names) > 1 or box is None:
                faults.append(
                    f"{where}: object {number}: expected one name and one bndbox with "
                    f"{', '.join(_CORNERS)}"
                )
                continue
            difficult = _DIFFICULT.get((item.findtext("difficult") or "0").strip().lower())
            if difficult is None:
                stated = short(item.findtext("difficult"))
                faults.append(f"{where}: object {number}: expected difficult 0 or 1, got {stated}")
                continue
            names.append(name)
            boxes.append(box)
            crowd.append(difficult)
        image_path = self._image_path(key, path, annotation)
        inside = self._inside.get(image_path, Path(image_path.name))
        mask_path, unclear = self._masks.of(inside)
        entry = Entry(
            image_path=image_path,
            names=tuple(names),
            boxes_xyxy=np.array(boxes, np.float64).reshape(-1, 4) + _TO_EDGES,
            crowd=tuple(crowd),
            mask_path=mask_path,
            size_hw=_size_hw(annotation),
            label_path=path,
        )
        return entry, faults + unclear

    def _image_path(self, key: str, path: Path, annotation: ElementTree.Element) -> Path:
        """The image of the annotation's own name, else the one that `<filename>` states."""
        stated = PurePosixPath(
            (annotation.findtext("filename") or "").strip().replace("\\", "/")
        ).name
        own = self._images.get(key) or self._named.get(path.stem)
        if own is not None:
            if stated and PurePosixPath(stated).stem != own.stem and stated != own.stem:
                self._stale.append(f"{shown(path, self._root)} states {stated!r}")
            return own
        folder = next(iter(self._images.values())).parent if self._images else path.parent
        same_stem = self._named.get(PurePosixPath(stated).stem)
        if stated and (folder / stated).is_file():
            return folder / stated
        return same_stem or folder / (stated or f"{path.stem}.jpg")

    def notes(self, listed: Container[str] | None) -> list[str]:
        """What a user should know, after every annotation."""
        found = self._masks.left_over()
        if self._stale:
            found.append(
                f"{len(self._stale)} annotations state another image than the one of their own name, "
                f"which is used: {self._stale[0]}"
            )
        bare = [key for key in self._images if key not in self._keys]
        if bare and listed is None:
            found.append(f"{len(bare)} images have no annotation and are left out")
        return found


def _out_of_place(annotation: ElementTree.Element) -> list[str]:
    """What the reader would pass over: then the image would teach that there is no object."""
    if annotation.tag != "annotation":
        return [f"expected <annotation> as the root, got <{annotation.tag}>"]
    strange = (
        item.tag
        for item in annotation
        if item.tag != "object" and any(inner.tag.lower() in _OF_OBJECTS for inner in item.iter())
    )
    return [
        f"expected each <object> in <annotation> itself, found objects in <{tag}>"
        for tag in dict.fromkeys(strange)
    ]


def _box(item: ElementTree.Element) -> list[float] | None:
    """The corners of an object's only box."""
    stated = [item.findall(f"bndbox/{corner}") for corner in _CORNERS]
    if any(len(found) != 1 for found in stated):
        return None
    try:
        return [float(found[0].text or "") for found in stated]
    except ValueError:
        return None


def _size_hw(annotation: ElementTree.Element) -> tuple[int, int] | None:
    """The stated size; many tools write zeros or nothing."""
    height, width = (
        (annotation.findtext(f"size/{side}") or "").strip() for side in ("height", "width")
    )
    sides = as_side(height) or 0, as_side(width) or 0
    return sides if all(sides) else None
