"""Files of a data set: hidden ones left out, names of any case, text in any declared encoding."""

from __future__ import annotations

import codecs
import json
import math
import os
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any
from xml.etree import ElementTree

from mtv_perception.errors import DatasetError
from mtv_perception.labels import is_background
from mtv_perception.media.files import IMAGE_SUFFIXES
from mtv_perception.resources import LFS_POINTER, is_lfs_pointer

# Byte-order marks; the UTF-32 marks first, because one begins like UTF-16's.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_XML_ENCODING = re.compile(rb"""^\s*<\?xml[^>]*?encoding\s*=\s*["']([A-Za-z0-9._-]+)["']""")
_XML_DECLARATION = re.compile(r"^\s*<\?xml.*?\?>", re.DOTALL)
_CACHED_FILES = 4
_MOST_DIGITS = 4000  # of an integer; Python refuses to show more than 4300
_MOST_SIDE_DIGITS = 9
_LONGEST_SHOWN = 240  # characters; a name in a file may be of any length


def is_file(path: Path) -> bool:
    """Whether a file is there; False, not an error, for names that no file can have."""
    return os.path.isfile(path)


def stored_file(path: Path) -> Path | None:
    """The stored path of a file that an index names, or None if there is no such file.

    The two names may differ in their Unicode form. macOS stores a letter and its accent apart (NFD).
    Tools that run in a browser write them as one character (NFC).
    """
    if is_file(path):
        return path
    if path.name.isascii() or "\0" in path.name or not is_folder(path.parent):
        return None
    modified_ns = os.stat(path.parent).st_mtime_ns
    name = _names_by_nfc(path.parent, modified_ns).get(_nfc(path.name))
    found = path.parent / name if name else None
    return found if found and is_file(found) else None


@lru_cache(maxsize=8)
def _names_by_nfc(folder: Path, modified_ns: int) -> dict[str, str]:
    """The stored names in a folder by their NFC form; `modified_ns` only keeps the cache current."""
    return {_nfc(name): name for name in os.listdir(folder)}


def _nfc(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def is_foreign_root(part: str) -> bool:
    """Whether the first part of a path is a root: `/`, a drive such as `C:`, or `https:`."""
    return part.startswith("/") or part.endswith(":")


def endings(name: str) -> list[PurePosixPath]:
    """The paths below a folder of images that a tool's name of an image may mean, the longest first.

    Some tools write paths of the machine they ran on; of these the last parts count.
    """
    parts = PurePosixPath(name.replace("\\", "/")).parts
    if not parts or not (is_foreign_root(parts[0]) or ".." in parts):
        return [PurePosixPath(*parts)]
    first = 1 + max(i for i, part in enumerate(parts) if part == ".." or is_foreign_root(part))
    return [PurePosixPath(*parts[start:]) for start in range(first, len(parts))] or [
        PurePosixPath(parts[-1])
    ]


def is_folder(path: Path) -> bool:
    """Whether a folder is there; False, not an error, for names that no folder can have."""
    return os.path.isdir(path)


def children(folder: Path) -> list[Path]:
    """What is in a folder, by name; without hidden files such as `._a.jpg` and `.DS_Store`."""
    if not is_folder(folder):
        return []
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def folders(folder: Path) -> list[Path]:
    """The folders in a folder."""
    return [path for path in children(folder) if path.is_dir() and path.name != "__MACOSX"]


def files(folder: Path, *suffixes: str) -> list[Path]:
    """The files in a folder that have one of the suffixes, in any case; all files without any."""
    return [p for p in children(folder) if p.is_file() and has_suffix(p, suffixes or ("",))]


def has_suffix(path: Path, suffixes: Iterable[str]) -> bool:
    """Whether a file's name ends in one of the suffixes, in any case."""
    return path.name.lower().endswith(tuple(suffixes))


def images_in(folder: Path, recursive: bool = False) -> list[Path]:
    """The image files in a folder, and below it if `recursive`."""
    found = files(folder, *IMAGE_SUFFIXES)
    if recursive:
        for inner in folders(folder):
            found += images_in(inner, True)
    return found


def child(folder: Path, *names: str) -> Path | None:
    """The first entry of a folder with one of the names, in any case."""
    by_name = {path.name.lower(): path for path in children(folder)}
    return next((by_name[name.lower()] for name in names if name.lower() in by_name), None)


def in_any_case(folder: Path) -> Path:
    """The stored path of a folder whose name may be stored with other capitals."""
    if is_folder(folder):
        return folder
    found = child(folder.parent, folder.name)
    return found if found is not None and found.is_dir() else folder


def by_stem(paths: Iterable[Path], root: Path) -> tuple[dict[str, Path], list[str]]:
    """Files by name without suffix, and a fault for each name that two files share."""
    found: dict[str, Path] = {}
    faults = []
    for path in paths:
        other = found.setdefault(path.stem, path)
        if other is not path:
            faults.append(f"{shown(path, root)}: {other.name} has the same name without suffix")
    return found, faults


def by_path(folder: Path, suffixes: Iterable[str], root: Path) -> tuple[dict[str, Path], list[str]]:
    """Files in and below a folder by path without suffix, and a fault for each that two files share."""
    found, faults = by_stem(files(folder, *suffixes), root)
    for inner in folders(folder):
        below, doubled = by_path(inner, suffixes, root)
        found |= {f"{inner.name}/{key}": path for key, path in below.items()}
        faults += doubled
    return found, faults


def shown(path: Path, root: Path) -> str:
    """A path as error texts name it: below `root` where it lies there."""
    text = path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)
    return _cut(text)


def read_text(path: Path) -> str:
    """The content of a text file in UTF-8, or in what its byte-order mark says.

    Raises:
        DatasetError: not readable, or in another encoding.
    """
    try:
        content = path.read_bytes()
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path}: expected a text file, could not read it: {error}") from error
    encoding = next((name for mark, name in _MARKS if content.startswith(mark)), "utf-8")
    text = _decoded(path, content, encoding)
    if "\0" in text:
        wide = "UTF-16BE" if content[:1] == b"\0" else "UTF-16LE"
        raise DatasetError(
            f"{path}: expected text in UTF-8, found zero bytes, as in UTF-16 without a byte-order "
            f"mark; convert it: iconv -f {wide} -t UTF-8."
        )
    return text


def _decoded(path: Path, content: bytes, encoding: str) -> str:
    if is_lfs_pointer(content):
        raise DatasetError(f"{path}: expected labels, found {LFS_POINTER}.")
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        byte = content[error.start]
        raise DatasetError(
            f"{path}: expected text in {encoding.upper()}, found byte 0x{byte:02x} in line {line}; "
            f"convert it: iconv -f LATIN1 -t UTF-8 (or from GB18030, as it was written)."
        ) from error
    except (LookupError, UnicodeError) as error:
        raise DatasetError(
            f"{path}: expected a known text encoding, got {encoding!r}; save the file as UTF-8."
        ) from error


def read_lines(path: Path, where: str) -> tuple[list[tuple[int, str]], list[str]]:
    """The lines that are not blank, stripped, each with its number from 1, and the faults.

    Args:
        path: a text file with LF or CRLF, with or without a byte-order mark.
        where: its name in the faults.
    """
    try:
        lines = read_text(path).splitlines()
    except DatasetError as error:
        return [], [f"{where}: {str(error).removeprefix(f'{path}: ')}"]
    return [
        (number, line.strip()) for number, line in enumerate(lines, start=1) if line.strip()
    ], []


def parse_numbers(cells: Sequence[str]) -> list[float]:
    """The finite numbers in the cells, or nothing where one is none."""
    try:
        numbers = [float(cell) for cell in cells]
    except ValueError:
        return []
    return numbers if all(map(math.isfinite, numbers)) else []


def read_json(path: Path) -> Any:
    """The content of a JSON file; DatasetError names the file when it can't be read."""
    found = os.stat(path) if is_file(path) else None
    return _read_json(path, found and found.st_mtime_ns, found and found.st_size)


@lru_cache(maxsize=_CACHED_FILES)
def _read_json(path: Path, changed: int | None, size: int | None) -> Any:
    """As read_json; the layout is detected in the same files that are read afterwards."""
    try:
        return json.loads(read_text(path), object_pairs_hook=_once_each, parse_int=_integer)
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else error
        raise DatasetError(f"{path}: expected JSON, could not read it: {reason}") from error


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON; a key that stands twice with two values is an error: one would be lost."""
    found = dict(pairs)
    if len(found) < len(pairs):
        for key, value in pairs:
            if repr(value) != repr(found[key]):
                others = {name: item for name, item in found.items() if name != key}
                raise ValueError(
                    f"the key {_cut(key)!r} stands twice in an object, with two values; remove one. "
                    f"The object's other keys: {_cut(str(others))}"
                )
    return found


def _integer(digits: str) -> int:
    if len(digits) > _MOST_DIGITS:
        raise ValueError(f"expected numbers of at most {_MOST_DIGITS} digits, got {len(digits)}")
    return int(digits)


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_SHOWN else f"{text[: _LONGEST_SHOWN // 2]}..."


def as_side(text: str) -> int | None:
    """Pixels of a side that an XML file states; None where it states none that an image has."""
    return int(text) if text.isdecimal() and len(text) <= _MOST_SIDE_DIGITS else None


def json_or_none(path: Path) -> Any:
    """The content of a JSON file, or None where it can't be read: for the detection of a layout."""
    try:
        return read_json(path)
    except DatasetError:
        return None


def read_xml(path: Path) -> ElementTree.Element:
    """The root of an XML file in any encoding that it declares and Python knows.

    Raises:
        DatasetError: not readable, of an unknown encoding, or not well-formed.
    """
    try:
        content = path.read_bytes()
    except (OSError, ValueError) as error:
        raise DatasetError(
            f"{path}: expected an XML annotation, could not read it: {error}"
        ) from error
    marked = next((name for mark, name in _MARKS if content.startswith(mark)), None)
    declared = _XML_ENCODING.match(content)
    encoding = marked or (declared[1].decode("ascii") if declared else "utf-8")
    text = _XML_DECLARATION.sub("", _decoded(path, content, encoding), count=1)
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise DatasetError(f"{path}: expected an annotation, found a document type declaration.")
    try:
        return _without_namespaces(ElementTree.fromstring(text))
    except (ElementTree.ParseError, ValueError, RecursionError) as error:
        raise DatasetError(
            f"{path}: expected an XML annotation, could not read it: {error}"
        ) from error


def _without_namespaces(root: ElementTree.Element) -> ElementTree.Element:
    """The tree with plain tags: `{http://x}object`, which no reader looks for, is `object`."""
    for element in root.iter():
        if isinstance(element.tag, str):
            element.tag = element.tag.rpartition("}")[2]
    return root


def read_names(path: Path) -> tuple[str, ...]:
    """Class names, one a line; the position of a line is the class number.

    Raises:
        DatasetError: a blank line among them, which would shift the numbers, or a name twice.
    """
    lines = [line.strip() for line in read_text(path).splitlines()]
    while lines and not lines[-1]:
        lines.pop()
    if "" in lines:
        raise DatasetError(
            f"{path}: expected a class name in every line, line {lines.index('') + 1} is blank; "
            "remove it if it is no class, or give the class a name."
        )
    check_names(path, dict(enumerate(lines)))
    return tuple(lines)


MASK_NAMES = "classes.txt"
"""Class name of each mask value, a line each; without it the values are our class ids."""
_OTHER_MASK_NAMES = (
    *("labelmap.txt", "label_map.txt", "labels.txt", "label.txt", "names.txt", "class_names.txt"),
    *("_classes.csv", "classes.csv", "classes.json", "label_names.txt"),
)
# What tools call the value 0 of masks, beside the background.
_NO_CLASS = frozenset(
    {
        "void",
        "bg",
        "none",
        "nothing",
        "other",
        "others",
        "unlabeled",
        "unlabelled",
        "floor",
        "ground",
    }
)


def mask_names(*places: Path) -> tuple[str, ...] | None:
    """Class name of each mask value, from the first of some folders that has such a list.

    It has a name a line; value 0 is the background.

    Raises:
        DatasetError: as read_names, or the first line names a class.
    """
    path = next(filter(None, (child(in_any_case(place), MASK_NAMES) for place in places)), None)
    if path is None:
        _refuse_other_lists(in_any_case(places[0]))
        return None
    names = read_names(path)
    if not names or not (is_background(names[0]) or names[0].lower() in _NO_CLASS):
        raise DatasetError(
            f"{path}: expected 'background' in the first line, for the value 0 of masks is no class, got "
            f"{names[0] if names else ''!r}."
        )
    return names


def _refuse_other_lists(folder: Path) -> None:
    """Raise DatasetError where names stand beside masks in a form that is not read."""
    other = child(folder, *_OTHER_MASK_NAMES)
    if other is not None:
        raise DatasetError(
            f"{other}: expected the class name of each mask value in {MASK_NAMES}, found them in "
            f"{other.name}; write {MASK_NAMES} beside it, a name a line and background first, or "
            "remove the file if the values are the model's class numbers."
        )


def check_names(path: Path, names: Mapping[int, str]) -> None:
    """Raise DatasetError where two class numbers have one name."""
    numbers: dict[str, int] = {}
    for number, name in names.items():
        if name in numbers:
            raise DatasetError(
                f"{path}: expected different class names, {name!r} is class {numbers[name]} "
                f"and class {number}."
            )
        numbers[name] = number


class MaskFolder:
    """The mask files that belong to images: `masks/a/x.png` or `masks/x.png` to `images/a/x.jpg`.

    Args:
        folder: where the masks are; it need not exist.
        images: every image of the split, as paths relative to the folder of images.
    """

    def __init__(self, folder: Path, images: Iterable[Path]) -> None:
        folder = in_any_case(folder)
        self._folder = folder
        below = _files_below(folder, (".png",))
        self._masks = {_nfc(key): path for key, path in below.items()}
        self._owners: dict[str, list[Path]] = {}
        for image in images:
            self._owners.setdefault(_nfc(image.stem), []).append(image)
        self._used: set[str] = set()

    def of(self, image: Path) -> tuple[Path | None, list[str]]:
        """The mask of an image, if there is one, and what is ambiguous."""
        mirrored, stem = _nfc(image.with_suffix("").as_posix()), _nfc(image.stem)
        owners = self._owners.get(stem, [])
        for key in (mirrored, stem):
            if key not in self._masks:
                continue
            self._used.add(key)
            if key != mirrored and len(owners) > 1:
                where = f"{self._folder.name}/{mirrored}.png"
                return None, [
                    f"{self._folder.name}/{key}.png: fits {len(owners)} images: "
                    f"{', '.join(o.as_posix() for o in owners[:3])}; store the masks as {where}"
                ]
            return self._masks[key], []
        return None, []

    def left_over(self) -> list[str]:
        """A sentence about the masks that belong to no image, after `of` for every image."""
        lost, others = sorted(set(self._masks) - self._used), self._other_images()
        found = []
        if lost:
            text = f"{len(lost)} masks belong to no image, such as {lost[0]}.png"
            found.append(f"{self._folder.name}/: {text}")
        if others:
            text = f"{len(others)} images are no PNG and are not read as masks, such as {others[0]}"
            found.append(f"{self._folder.name}/: {text}")
        return found

    def _other_images(self) -> list[str]:
        others = tuple(suffix for suffix in IMAGE_SUFFIXES if suffix != ".png")
        below = _files_below(self._folder, others)
        return sorted(path.name for path in below.values())

    @property
    def is_empty(self) -> bool:
        """Whether there is no mask."""
        return not self._masks

    @property
    def is_unused(self) -> bool:
        """Whether there are masks and none belongs to an image."""
        return bool(self._masks) and not self._used


def _files_below(folder: Path, suffixes: tuple[str, ...]) -> dict[str, Path]:
    """Files by path relative to a folder, without suffix."""
    found = {
        path.relative_to(folder).with_suffix("").as_posix(): path
        for path in files(folder, *suffixes)
    }
    for inner in folders(folder):
        found |= {
            f"{inner.name}/{key}": path for key, path in _files_below(inner, suffixes).items()
        }
    return found
