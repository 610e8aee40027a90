"""What a folder of no known layout lacks: what was found in it, and what to rename or export."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from mtv_perception.data.formats.base import Split
from mtv_perception.data.formats.cvat import is_cvat
from mtv_perception.data.formats.files import (
    children,
    files,
    folders,
    has_suffix,
    is_file,
    is_folder,
    json_or_none,
    parse_numbers,
    read_json,
)
from mtv_perception.errors import DatasetError
from mtv_perception.media.files import IMAGE_SUFFIXES

_TABLES = (".csv", ".tfrecord", ".ndjson", ".jsonl", ".parquet", ".xlsx", ".manifest")
_ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".7z", ".rar")
_NAMES = (
    "images", "labels", "masks", "Annotations", "JPEGImages", "annotations", "annotations.json",
    "annotations.xml", "_annotations.coco.json", "result.json", "data.yaml", "classes.txt",
    "obj.names", "meta.json", "samples.json", "ann", "img",
)  # fmt: skip
_CLOSE = 0.6  # difflib's own default
_MOST_SHOWN = 12
_EXPORT = "export the data set as COCO or YOLO"
_TABLE = f"{{}} is not read: {_EXPORT}."
_LOOKED_INTO = 20  # label files of a folder; the first ones may be empty
_BOX_VALUES = 5  # of a line of YOLO: class cx cy w h
_KITTI_VALUES = 15  # of a line of KITTI: a class name, then numbers; a score may follow
# Whether it is a list (None: either), the keys that its first item has, and what it is.
# `*.key` is a key of the first value.
_JSON_KINDS: tuple[tuple[bool | None, tuple[set[str], ...], str], ...] = (
    (
        None,
        ({"data", "annotations"}, {"data", "completions"}),
        "Label Studio's own JSON: export the project as COCO or YOLO with images",
    ),
    (
        True,
        (
            {"image", "annotations"},
            {"imagefilename", "annotation"},
            {"imagefilename", "annotations"},
        ),
        f"CreateML's JSON, which is not read: {_EXPORT}",
    ),
    (
        True,
        ({"image", "annotator"}, {"image", "annotation_id"}, {"image", "label"}),
        "Label Studio's JSON-MIN: export the project as COCO or YOLO with images",
    ),
    (
        False,
        ({"_via_img_metadata"}, {"*.filename", "*.regions"}),
        "a project or export of VIA: export it as COCO",
    ),
    (True, ({"name", "labels"},), f"BDD100K's or Scalabel's JSON, which is not read: {_EXPORT}"),
    (None, ({"data_row"},), f"Labelbox's JSON, which is not read: {_EXPORT}"),
    (False, ({"items", "categories"},), f"Datumaro's JSON, which is not read: {_EXPORT}"),
    (False, ({"item", "annotations"},), f"V7 Darwin's JSON, which is not read: {_EXPORT}"),
    (False, ({"asset", "regions"}, {"assets"}), f"VoTT's JSON, which is not read: {_EXPORT}"),
    (
        True,
        ({"image_id", "bbox", "score"},),
        "a list of detections with scores, not of labels: give the annotations",
    ),
    (False, ({"shapes"},), "a LabelMe file of one image: give the folder that it is in"),
    (
        False,
        ({"objects", "size"},),
        "a Supervisely file of one image: give the folder with ann/ and img/",
    ),
)
_CLASS_FILES = ("names.txt", "class.txt", "label.txt", "categories.txt", "class_names.txt")

Finder = Callable[[Path], Mapping[str, tuple[Split, ...]]]
"""The formats that fit a folder, with the splits they find."""


def hint(root: Path, find: Finder) -> list[str]:
    """Sentences that help with a path of no known layout; the most certain first."""
    if is_file(root):
        return _about_file(root)
    if inner := _about_inner(root, find):
        return [*inner, _inventory(root)]
    about = _about_parts(root) or _about_names(root)
    below = folders(root)
    if not about and len(below) == 1 and not files(root):
        return [f"In {below[0]}:", *hint(below[0], find)]
    return [*about, _inventory(root)]


def _about_file(path: Path) -> list[str]:
    if has_suffix(path, _ARCHIVES):
        return ["It is an archive: unpack it and give the folder."]
    if has_suffix(path, (".json",)):
        return [about_json(path)]
    if has_suffix(path, _TABLES):
        return [_TABLE.format(path.name)]
    if has_suffix(path, (".bag",)):
        return ["A bag of ROS 1 is not read: convert it with rosbags-convert."]
    if has_suffix(path, (".mcap", ".db3")):
        return ["It is a bag: `mtv evaluate` and `mtv tune` read bags with a topic of truth."]
    if has_suffix(path, IMAGE_SUFFIXES):
        return ["It is an image: give the folder of the data set."]
    return [f"A file {path.name!r} is no data set: give the folder it is in."]


def about_json(path: Path) -> str:
    """What a JSON file is that is no index of a known layout, and what to do, in one sentence."""
    name = path.name
    try:
        content: Any = read_json(path)
    except DatasetError as error:
        return f"{name}: {str(error).removeprefix(f'{path}: ').rstrip('.')}."
    if kind := _json_kind(content):
        return f"{name} is {kind}."
    if isinstance(content, dict) and {"images", "annotations"} & set(content):
        lacking = [key for key in ("images", "annotations", "categories") if key not in content]
        return f"{name} looks like COCO, but lacks {', '.join(lacking) or 'lists under its keys'}."
    return (
        f"{name} holds {type(content).__name__}, expected COCO annotations or a list of samples: "
        f"{_EXPORT}."
    )


def is_foreign_json(content: Any) -> bool:
    """Whether a JSON file's content is of another tool, in a form that is not read."""
    return bool(_json_kind(content))


def _json_kind(content: Any) -> str:
    """What a tool's own JSON is, and what to do; empty where unknown."""
    first = content[0] if isinstance(content, list) and content else content
    if not isinstance(first, dict):
        return ""
    keys = set(first)
    if not isinstance(content, list):
        inner = next(iter(first.values()), None)
        keys |= {"*." + str(key) for key in inner} if isinstance(inner, dict) else set()
    return next(
        (
            kind
            for is_list, wanted, kind in _JSON_KINDS
            if is_list in (None, isinstance(content, list)) and any(map(keys.issuperset, wanted))
        ),
        "",
    )


def _about_inner(root: Path, find: Finder) -> list[str]:
    """Data sets one or two folders further down."""
    for level in (folders(root), [inner for outer in folders(root) for inner in folders(outer)]):
        fits = {folder: found for folder in level[:_MOST_SHOWN] if (found := find(folder))}
        if fits:
            places = ", ".join(f"{f} ({next(iter(found))})" for f, found in fits.items())
            return [f"The data set lies further down; give this path: {places}"]
    return []


def _about_parts(root: Path) -> list[str]:
    """Layouts of which one part is missing."""
    images, labels = is_folder(root / "images"), is_folder(root / "labels")
    kinds = {folder: _kind_of_lines(folder) for folder in folders(root)}
    if kitti := next((f for f, kind in kinds.items() if kind == "kitti"), None):
        return [f"Labels of KITTI are in {kitti.name}/, which are not read: {_EXPORT}."]
    deeper = any(is_folder(f / "images") and is_folder(f / "labels") for f in folders(root))
    is_yolo = "yolo" in (kinds.get(root / "labels"), *map(_kind_of_lines, _labels_below(root)))
    if ((images and labels) or deeper) and (is_yolo or not _has_other_labels(root)):
        near = [path.name for path in files(root, ".txt") if path.name.lower() in _CLASS_FILES]
        rename = f"rename {near[0]} to classes.txt" if near else "add classes.txt, a name a line"
        return [f"Images and labels of YOLO are there, the class names are missing: {rename}."]
    others = [f for f in folders(root) if f.name not in ("images", "labels")]
    picture = next((f for f in others if files(f, *IMAGE_SUFFIXES)), None)
    if labels and picture is not None and not images and is_yolo:
        return [f"Labels of YOLO are in labels/, images in {picture.name}/: rename it to images/."]
    lists = next((f for f in others if kinds[f] == "yolo"), None)
    if images and lists is not None:
        return [f"Labels of YOLO are in {lists.name}/: rename it to labels/."]
    masks = next((f for f in folders(root) if f.name != "images" and files(f, ".png")), None)
    if images and masks is not None:
        return [f"If the PNGs in {masks.name}/ are masks, rename it to masks/."]
    exports = [path for path in files(root, ".xml") if is_cvat(path)]
    if exports:
        return [
            f"{exports[0].name} is CVAT's: rename it to annotations.xml, or give the file itself."
        ]
    if _kind_of_lines(root) == "yolo" and files(root, *IMAGE_SUFFIXES):
        return [
            "Labels of YOLO are beside their images: move the images to images/ and the label files to "
            "labels/, and keep classes.txt or data.yaml with the class names here."
        ]
    tables = [path for place in (root, *folders(root)) for path in files(place, *_TABLES)]
    if tables:
        return [_TABLE.format(tables[0].relative_to(root).as_posix())]
    indices = [path for place in (root, *folders(root)) for path in files(place, ".json")[:1]]
    return [about_json(path) for path in indices[:1]]


def _labels_below(root: Path) -> list[Path]:
    """The folders of labels of the splits, in either order of names."""
    return [*(folder / "labels" for folder in folders(root)), *folders(root / "labels")]


def _has_other_labels(root: Path) -> bool:
    """Whether folders of labels hold other files than text."""
    places = [root / "labels", *_labels_below(root)]
    return any(not has_suffix(path, (".txt",)) for place in places for path in files(place))


def _kind_of_lines(folder: Path) -> str:
    """Whose label files a folder holds: `yolo`, `kitti`, or empty where neither."""
    for path in files(folder, ".txt")[:_LOOKED_INTO]:
        words = path.read_bytes()[:200].partition(b"\n")[0].decode(errors="replace").split()
        if len(words) >= _BOX_VALUES and parse_numbers(words):
            return "yolo"
        if len(words) >= _KITTI_VALUES and parse_numbers(words[1:_KITTI_VALUES]):
            return "kitti"
    return ""


def _about_names(root: Path) -> list[str]:
    """Files and folders that are called nearly as a layout asks."""
    found = []
    if files(root, ".mcap", ".db3"):
        return [
            "This is a bag: `mtv replay` and `mtv predict` read its images, `mtv mine` labels them."
        ]
    for path in children(root):
        near = (
            [] if path.name in _NAMES else get_close_matches(path.name.lower(), _NAMES, 1, _CLOSE)
        )
        if near and Path(near[0]).suffix == path.suffix.lower() and not _is_known_json(path):
            found.append(f"Perhaps {path.name} should be called {near[0]}.")
    return found


def _is_known_json(path: Path) -> bool:
    """Whether a new name would not help: what the content is decides."""
    return has_suffix(path, (".json",)) and is_foreign_json(json_or_none(path))


def _inventory(root: Path) -> str:
    """What is in a folder, in one sentence."""
    inner = [f"{f.name}/" for f in folders(root)]
    kinds = Counter(path.suffix.lower() or path.name for path in files(root))
    counted = [f"{count} {kind}" for kind, count in sorted(kinds.items())]
    names = [*inner, *counted]
    more = f" and {len(names) - _MOST_SHOWN} more" if len(names) > _MOST_SHOWN else ""
    return f"Found: {', '.join(names[:_MOST_SHOWN]) or 'nothing'}{more}."
