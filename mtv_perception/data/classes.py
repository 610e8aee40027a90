"""The classes of a data set matched with ours by name."""

from __future__ import annotations

import shlex
import unicodedata
from collections.abc import Iterable, Mapping

from mtv_perception.labels import LabelSet


def match_classes(
    names: Iterable[str],
    labels: LabelSet,
    rename: Mapping[str, str],
    required: bool = True,
    used: Iterable[str] = (),
) -> tuple[dict[str, int], list[str]]:
    """Our class id for each of a data set's class names that we know.

    Args:
        names: the data set's class names.
        labels: our classes.
        rename: data set's name to our name; a class renamed to the background is left out.
        required: it is a fault when none of the names is one of ours.
        used: those of the names that have objects; they have to be ours or renamed, the others are
            left out.

    Returns:
        Class id by name, and the faults: a new name that we do not know, a name that differs from
        one of ours in case or blanks alone, used names that are none of ours, or nothing known at
        all.
    """
    names = tuple(dict.fromkeys(names))
    known = ", ".join(labels.names)
    faults = [
        f"rename {old!r}: expected a class of {known}, got {new!r}"
        for old, new in rename.items()
        if new not in labels.names
    ]
    alike = {_folded(name): name for name in labels.foreground}
    for name in names:
        ours = alike.get(_folded(name))
        if ours is not None and ours != name and name not in rename:
            option = f"--rename {shlex.quote(name)}={shlex.quote(ours)}"
            faults.append(f"class {name!r}: expected {ours!r}; rename it ({option})")
    unknown = [
        name
        for name in dict.fromkeys(used)
        if name not in labels.names and name not in rename and _folded(name) not in alike
    ]
    if unknown:
        background = labels.names[0]
        leaving_out = ", ".join(f"{name}: {background}" for name in unknown)
        options = " ".join(f"{shlex.quote(name)}={background}" for name in unknown)
        faults.append(
            f"expected objects of {', '.join(labels.foreground)}, got {', '.join(map(repr, unknown))} too; rename each "
            f"to one of these (--rename {shlex.quote(unknown[0])}=NAME), or leave it out "
            f"(--rename {options}; in a configuration rename: {{{leaving_out}}})"
        )
    wanted = {name: rename.get(name, name) for name in names}
    ids = {name: labels.id_of(ours) for name, ours in wanted.items() if ours in labels.foreground}
    if required and names and not ids and not unknown:
        faults.append(
            f"expected at least one class of {', '.join(labels.foreground)}, got {', '.join(names)}"
        )
    return ids, faults


def _folded(name: str) -> str:
    return unicodedata.normalize("NFKC", name).strip().casefold()


def foreground_ids(
    names: Iterable[str], labels: LabelSet, where: str
) -> tuple[tuple[int, ...], list[str]]:
    """The sorted ids of some of our class names, and a fault for each that is none of them."""
    names = tuple(names)
    expected = ", ".join(labels.foreground)
    faults = [
        f"{where}: expected classes of {expected}, got {name!r}"
        for name in names
        if name not in labels.foreground
    ]
    return tuple(
        sorted({labels.id_of(name) for name in names if name in labels.foreground})
    ), faults
