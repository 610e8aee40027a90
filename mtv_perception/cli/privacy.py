"""The options of what pictures may show, the same for every command that writes pictures."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from mtv_perception.runtime.artefact import ModelSpec
    from mtv_perception.runtime.settings import PerceiverConfig


class PrivacyOptions(TypedDict, total=False):
    """Fields of PerceiverConfig."""

    anonymise: bool
    anonymise_score: float
    anonymise_classes: tuple[str, ...]


def add_privacy_options(parser: argparse.ArgumentParser) -> None:
    """Declare `--anonymise` and its settings."""
    parser.add_argument(
        "--anonymise",
        action="store_true",
        help="pixelate people in every picture that is written; detections and masks stay",
    )
    parser.add_argument(
        "--anonymise-score",
        type=float,
        metavar="S",
        help="lowest score of a box that is pixelated (default: far below that of a detection)",
    )
    parser.add_argument(
        "--anonymise-classes",
        nargs="+",
        metavar="C",
        help="the model's classes that are people (default: those with a usual name)",
    )


def privacy_of(args: argparse.Namespace) -> PrivacyOptions:
    """What the options say; ValueError for settings of something that is not switched on."""
    if not args.anonymise and (args.anonymise_score is not None or args.anonymise_classes):
        raise ValueError(
            "Expected --anonymise beside --anonymise-score and --anonymise-classes: alone they "
            "pixelate nothing."
        )
    found: PrivacyOptions = {
        "anonymise": args.anonymise,
        "anonymise_classes": tuple(args.anonymise_classes or ()),
    }
    score = args.anonymise_score
    if score is not None:
        if not 0 < score <= 1:
            raise ValueError(f"Expected --anonymise-score above 0 and up to 1, got {score}.")
        found["anonymise_score"] = score
    return found


def privacy_line(config: PerceiverConfig, spec: ModelSpec) -> str:
    """Who is pixelated, for people; empty when nobody is."""
    names = config.people(spec)
    return f"pixelated in every picture: {', '.join(names)}" if names else ""
