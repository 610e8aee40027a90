"""The stages of a fit: each reads what those before left in the folder, and is done once."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from mtv_perception.config import from_mapping, load
from mtv_perception.data.sample import fingerprint
from mtv_perception.errors import ArtefactError, DatasetError
from mtv_perception.evaluation.evaluate import evaluate
from mtv_perception.evaluation.settings import COLLECTING, SCORING
from mtv_perception.evaluation.trained import NotTrained
from mtv_perception.evaluation.tune import FEW_ALARMS, collect, tune
from mtv_perception.fit.options import FitOptions
from mtv_perception.fit.plan import make_plan
from mtv_perception.fit.prepare import Prepared, prepare
from mtv_perception.fit.report import write_fit_report
from mtv_perception.fit.split import PARTS
from mtv_perception.fit.state import FitState
from mtv_perception.resources import write_whole
from mtv_perception.runtime.artefact import (
    FEW_FALSE_ALARMS,
    load_artefact,
    no_lower,
    write_thresholds,
)
from mtv_perception.runtime.perceiver import Perceiver
from mtv_perception.runtime.settings import DEFAULT_THRESHOLD
from mtv_perception.training.config import TrainConfig
from mtv_perception.yaml_text import format_yaml

CONFIG_FILE = "config.yaml"
REPORT_FILE = "report.html"
RUN_FOLDER = "train"
_LISTS_FOLDER = "lists"
_CALIBRATION_IMAGES = 100
_LARGEST_DROP = 0.05  # of AP or mIoU, below which an int8 model is refused
_LAST_CHECKPOINT = "last.npz"


def plan_fit(options: FitOptions, file: Path, lists: Path) -> Prepared:
    """Read and part the data, and write the training configuration.

    Args:
        options: of the fit.
        file: YAML file to write.
        lists: folder for lists of images, to which the file refers.

    Raises:
        ConfigError, DatasetError: see `prepare`.
        ArtefactError, WeightsError: see `initial_layout`.
    """
    from mtv_perception.training.initial import initial_layout

    initial = initial_layout(options.initial) if options.initial else None
    known = initial.names[1:] if initial else ()
    prepared = prepare(options, lists, known)
    plan = make_plan(
        options, prepared.labels.foreground, prepared.samples("train"), prepared.entries, initial
    )
    from_mapping(TrainConfig, plan)  # What training would refuse is refused now.
    file.parent.mkdir(parents=True, exist_ok=True)
    head = "# Written by mtv fit or mtv init. Train it alone with: mtv train THIS_FILE\n"
    write_whole(file, head + format_yaml(plan))
    begun = _against_initial(options, prepared, known)
    return replace(
        prepared,
        notes=(*prepared.notes, *begun, *_never_trained(prepared), *_without_masks(prepared)),
    )


def _against_initial(options: FitOptions, prepared: Prepared, known: tuple[str, ...]) -> list[str]:
    """Notes on classes that `initial` does not know, and on those of it that are not kept."""
    if not known:
        return []
    classes, notes = prepared.labels.foreground, []
    new = [name for name in classes if name not in known and name not in options.sources]
    if new:
        notes.append(
            f"{', '.join(new)}: not among the classes of {options.initial} ({', '.join(known)}), "
            "so training begins there from nothing. `--from OURS=THEIRS` lets a class of yours begin "
            "from a known one that looks like it."
        )
    lost = [name for name in known if name not in classes]
    if lost:
        notes.append(
            f"{', '.join(lost)}: known to {options.initial} and not to the new model, because the "
            "labels have no such class."
        )
    return notes


def _never_trained(prepared: Prepared) -> list[str]:
    """A note on classes that no training image shows."""
    objects: dict[str, set[int]] = {
        part: {int(c) for s in prepared.samples(part) for c in s.class_ids[~s.crowd]}
        for part in prepared.entries
    }
    elsewhere = sorted(set().union(*objects.values()) - objects["train"])
    if not elsewhere:
        return []
    names = ", ".join(prepared.labels.names[class_id] for class_id in elsewhere)
    return [
        f"{names}: no image to train on shows one, so the model will not report it. Add images of "
        "it, or move some to the split that trains."
    ]


def _without_masks(prepared: Prepared) -> list[str]:
    """A note on classes that have boxes alone, and on what that means for zones."""
    from mtv_perception.training.losses.config import LossConfig
    from mtv_perception.training.trained import trained_on

    trained = trained_on(prepared.datasets["train"], prepared.labels, LossConfig())
    classes = prepared.labels.foreground
    bare = [name for name in classes if name not in (trained.masks or ())]
    if not bare:
        return []
    made = "; `segmentation/` topics are not published" if bare == list(classes) else ""
    return [
        f"{', '.join(bare)}: no outlines or masks are labelled, so the model makes no masks of "
        f"them{made}. In the zones file write `tests: [foot]`, or `[box]` for a zone in the image."
    ]


def fit(options: FitOptions, say: Callable[[str], None] = print) -> dict[str, Any]:
    """From data to a model folder with its report; an interrupted fit goes on where it was.

    Args:
        options: of the fit.
        say: told what is done, a line a time.

    Returns:
        The figures of the held-out images, as `mtv evaluate` names them.

    Raises:
        MtvError: data, configuration or export that can't be used.
    """
    state = FitState(options)
    state.begin()
    logging.getLogger("mtv_perception").setLevel(logging.INFO)
    prepared = plan_fit(options, options.out / CONFIG_FILE, options.out / _LISTS_FOLDER)
    parts = [dataset for part in PARTS for dataset in prepared.datasets[part]]
    state.check_data(
        fingerprint(parts),
        has_trained=state.is_done("train") or (options.out / RUN_FOLDER).is_dir(),
    )
    counts = {part: len(prepared.samples(part)) for part in prepared.entries}
    say(f"{_uses(prepared, counts)}; classes: {', '.join(prepared.labels.foreground)}")
    for note in prepared.notes:
        say(note)
    state.finish("prepare", {"images": counts, "notes": list(prepared.notes)})
    for name, stage in _STAGES.items():
        if not state.is_done(name):
            say(f"{name} ...")
            state.finish(name, stage(options, prepared, state))
            for note in state.result(name).get("notes", ()):
                say(note)
    return state.result("judge")


def _uses(prepared: Prepared, counts: dict[str, int]) -> str:
    check, judge = ({s.image_path for s in prepared.samples(p)} for p in ("check", "judge"))
    shared = len(check & judge)
    text = f"{counts['train']} images to train on, {counts['check']} to choose by, "
    text += f"{counts['judge']} to judge by"
    return f"{text} ({shared} of them choose and judge)" if shared else text


def _train(options: FitOptions, prepared: Prepared, state: FitState) -> dict[str, Any]:
    from mtv_perception.training.trainer import Trainer
    from mtv_perception.training.validation import Validation

    config, folder = load(TrainConfig, options.out / CONFIG_FILE), options.out / RUN_FOLDER
    resume = (folder / _LAST_CHECKPOINT).is_file()
    best = Trainer(config, folder, Validation(config), resume=resume).train()
    return {"step": best.get("step"), "score": best.get("score")}


def _export(options: FitOptions, prepared: Prepared, state: FitState) -> dict[str, Any]:
    """Write the model; where its precision is refused, in float32."""
    from mtv_perception.export.artefact import Description, calibration_images
    from mtv_perception.export.report import export_precisions
    from mtv_perception.training.trained import trained_of_run
    from mtv_perception.training.trainer import load_run

    config, network = load_run(options.out / RUN_FOLDER)
    images = calibration_images(
        prepared.datasets["train"], config.network.size_hw, _CALIBRATION_IMAGES
    )
    about = Description(
        options.out.resolve().name,
        trained_of_run(options.out / RUN_FOLDER, config),
        training_data=", ".join(str(path) for path in options.data),
    )
    # What nobody taught the model is not published, so it is not scored.
    trained, labels = about.trained, config.network.labels
    dataset = NotTrained.of_trained(trained, labels).restrict(prepared.dataset("check"))
    refused = ""
    for precision in dict.fromkeys((options.precision, "float32")):
        (report,) = export_precisions(
            network,
            options.out,
            [precision],
            images,
            about,
            dataset,
            largest_drop=_LARGEST_DROP,
        )
        if not report.refused:
            return {"precision": precision, "megabytes": report.megabytes, "refused": refused}
        refused = refused or report.refused
    raise ArtefactError(f"{options.out}: expected a model as good as the network, {refused}")


def _tune(options: FitOptions, prepared: Prepared, state: FitState) -> dict[str, Any]:
    artefact = load_artefact(options.out)
    perceiver = Perceiver(artefact, replace(COLLECTING, num_threads=options.threads))
    records, labels = collect(perceiver, prepared.dataset("check")), artefact.labels
    try:
        tuning = tune(records, labels, {})
    except DatasetError:  # Of no class.
        return {**_NO_THRESHOLDS, "notes": [_kept(labels.foreground)]}
    write_thresholds(options.out, tuning.thresholds, tuning.iou_threshold)
    few = tune(
        records, labels, dict.fromkeys(labels.foreground, FEW_ALARMS), [tuning.iou_threshold]
    )
    reached = {name: point.threshold for name, point in few.points.items() if point.reached}
    balanced = dict.fromkeys(labels.foreground, DEFAULT_THRESHOLD) | tuning.thresholds
    write_thresholds(options.out, no_lower(reached, balanced), point=FEW_FALSE_ALARMS)
    return {
        "thresholds": tuning.thresholds,
        "points": {name: asdict(point) for name, point in tuning.points.items()},
        "few_false_alarms": {name: asdict(point) for name, point in few.points.items()},
        "notes": [_kept(tuning.unseen)] if tuning.unseen else [],
    }


_NO_THRESHOLDS: dict[str, Any] = {"thresholds": {}, "points": {}, "few_false_alarms": {}}


def _kept(names: Sequence[str]) -> str:
    return (
        f"no threshold chosen for {', '.join(names)}: none of its objects in `check` was detected; "
        f"{DEFAULT_THRESHOLD:g} counts. Train for longer, or label more of it"
    )


def _tune_boxes(options: FitOptions, prepared: Prepared, state: FitState) -> dict[str, Any]:
    """Thresholds; none where masks alone are labelled."""
    if any(len(sample.class_ids) for sample in prepared.samples("check")):
        return _tune(options, prepared, state)
    return _NO_THRESHOLDS


def _judge(options: FitOptions, prepared: Prepared, state: FitState) -> dict[str, Any]:
    artefact = load_artefact(options.out)
    perceiver = Perceiver(artefact, replace(SCORING, num_threads=options.threads))
    dataset = NotTrained.of(artefact.spec).restrict(prepared.dataset("judge"))
    evaluation = evaluate(perceiver, dataset)
    write_fit_report(
        options.out / REPORT_FILE,
        options,
        prepared,
        evaluation,
        perceiver,
        state.record["done"],
        options.out / RUN_FOLDER,
    )
    return evaluation.to_json()


_STAGES: dict[str, Callable[[FitOptions, Prepared, FitState], dict[str, Any]]] = {
    "train": _train,
    "export": _export,
    "tune": _tune_boxes,
    "judge": _judge,
}
