"""What every command says and returns for wrong, partial, empty and broken inputs.

The tests run each case; `tools/wrong_inputs.py` writes it as a row of the page of reference.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """One call of a command.

    Attributes:
        command: such as "predict" or "data check".
        given: what is wrong with the input, in words.
        arguments: `{name}` stands for an input of `MAKERS`, `{out}` for a new path.
        status: the exit status.
        says: what is printed, in this order; "..." stands for anything.
        without: a package that is not installed, and the modules of ours to import again.
    """

    command: str
    given: str
    arguments: str
    status: int
    says: str
    without: tuple[str, ...] = ()


KINDS = "an image, a folder of images, a video or a bag"
QUIET = "--out {out} --quiet"
NO_MODEL = "Expected a model folder or one of warehouse, ... got 'octarine'"
HASH = "model.tflite: expected SHA-256 ... the file is corrupt"
LFS = "... a Git LFS pointer; fetch the file: git lfs pull"
BROKEN_IMAGE = "b.jpg: Expected a whole JPEG image, got a broken one"
NO_RUN = "expected a run with a topic .../detections"
CHECK = "--out {out}.html"


def of(command, *rows):
    return tuple(Case(command, *row) for row in rows)


PREDICT = of(
    "predict",
    ("nothing there", "{nothing} --out {out}", 2, f"expected {KINDS}, found nothing"),
    ("empty folder", "{empty_folder} --out {out}", 2, "expected images (.jpg, ... got none"),
    ("--frames of no camera", "{good} --frames 3 --out {out}", 2, "--frames is of a camera"),
    ("file of another kind", "{text} --out {out}", 2, f"expected {KINDS}, got a file of another"),
    ("named pipe", "{pipe} --out {out}", 2, f"expected {KINDS}, got a pipe, a socket or a device"),
    (
        "named pipe among images",
        "{one_pipe} --out {out}",
        1,
        "b.jpg: expected an image file, got a pipe ... 1 could not be read",
    ),
    ("a text named .mp4", "{no_video} --out {out}", 2, "expected a video, could not open it"),
    (
        "video that lost a part of its bytes",
        "{holed_video} --out {out}",
        1,
        "frames; ... DAMAGED, the rest was processed: the container is damaged at byte ...",
    ),
    ("bag of ROS 1", "{ros1_bag} --out {out}", 2, "got one of ROS 1. Convert it: ..."),
    ("HEIC pictures alone", "{heic} --out {out}", 2, "1 picture(s) of formats that are not read"),
    ("folders of images alone", "{subfolders} --out {out}", 2, "2 folder(s) of images in ..."),
    ("one broken image", "{one_broken} --out {out}", 1, f"{BROKEN_IMAGE} ... 1 could not be read"),
    ("broken images alone", "{all_broken} --out {out}", 2, "0 frames; ... 3 could not be read"),
    (
        "one of two sources missing",
        "{good} {nothing} --out {out}",
        1,
        "2 frames; ... found nothing",
    ),
    (
        "images above the limit",
        "{good} --max-pixels 100 --out {out}",
        2,
        "a.jpg: Expected an image of 1 to 100 pixels, got 64x48. --max-pixels raises the limit",
    ),
    ("bag cut short", "{cut_bag} --out {out}", 1, "frames of /image ... DAMAGED, ... cut short"),
    ("bag cut inside its first chunk", "{cut_chunk} --out {out}", 2, "could not read it: ... cut"),
    ("topic without messages", "{empty_bag} --out {out}", 2, "/image: nothing was recorded"),
    ("bag without images", "{texts_bag} --out {out}", 2, "the bag has /chatter (std_msgs/msg/Str"),
    ("depth images alone", "{depth_bag} --out {out}", 2, "a depth image by its encoding 16UC1"),
    ("one image of nv12", "{odd_bag} --out {out}", 1, "/image#1: ... 'nv12' ... 1 could not be re"),
    ("images of nv12 alone", "{nv12_bag} --out {out}", 2, "0 frames ... 2 could not be read"),
    ("two bags in a folder", "{two_bags} --out {out}", 2, "files of 2 bags ... give them one by"),
    ("bag of no bytes", "{zero_bag} --out {out}", 2, "could not read it: zero_bag.mcap: cut short"),
    (
        "topic that is not there",
        "{cameras} --topics /b/image --out {out}",
        2,
        "expected image topic /b/image, the bag has /a/image",
    ),
    ("topics of no bag", "{good} --topics /a --out {out}", 2, "expected a bag to take topics"),
    ("camera that is not there", "97 --out {out}", 2, "Expected a camera with number 97"),
    ("unknown model", "{good} --model octarine --out {out}", 2, NO_MODEL),
    ("bag not fetched by Git LFS", "{pointer_bag} --out {out}", 2, f"could not read it: {LFS}"),
    (
        "model not fetched by Git LFS",
        "{good} --model {pointer_model} --out {out}",
        2,
        f"model.tflite: {LFS}",
    ),
    ("model without its files", "{good} --model {no_model} --out {out}", 2, "expected format 1"),
    ("model with other bytes", "{good} --model {wrong_hash} --out {out}", 2, HASH),
    ("model with an unknown key", "{good} --model {wrong_key} --out {out}", 2, "'octarine'"),
    ("score above 1", "{good} --score 7 --out {out}", 2, "expected a number of 0 to 1, got '7'"),
    (
        "no threads",
        "{good} --threads 0 --out {out}",
        2,
        "--threads: expected a number of at least 1",
    ),
    (
        "folder to write is a file",
        "{good} --out {text}",
        2,
        "expected a folder to write, found a file",
    ),
)
REPLAY = of(
    "replay",
    ("nothing there", "{nothing} " + QUIET, 2, f"expected {KINDS}, found nothing"),
    ("empty folder", "{empty_folder} " + QUIET, 2, "expected images (.jpg, ... got none"),
    ("file of another kind", "{text} " + QUIET, 2, "got a file of another kind"),
    ("named pipe", "{pipe_bag} " + QUIET, 2, "got a pipe, a socket or a device"),
    ("a text named .mp4", "{no_video} " + QUIET, 2, "expected a video, could not open it"),
    ("bag of ROS 1", "{ros1_bag} " + QUIET, 2, "got one of ROS 1. Convert it: ..."),
    (
        "one broken image",
        "{one_broken} " + QUIET,
        1,
        f"2 frames, ... 1 not decodable (...{BROKEN_IMAGE}",
    ),
    ("broken images alone", "{all_broken} " + QUIET, 2, "0 frames, ... 3 not decodable"),
    ("one of two inputs missing", "{good} {nothing} " + QUIET, 1, "2 frames, ... found nothing"),
    ("images above the limit", "{good} --max-pixels 100 " + QUIET, 2, "--max-pixels raises the"),
    ("bag cut short", "{cut_bag} " + QUIET, 1, "frames of /image ... DAMAGED, ... cut short"),
    ("topic without messages", "{empty_bag} " + QUIET, 2, "/image: nothing was recorded"),
    ("images of nv12 alone", "{nv12_bag} " + QUIET, 2, "0 frames of /image (2), ... 2 not decod"),
    ("folder to write is full", "{good} --quiet --out {good}", 2, "expected no such folder, found"),
    ("folder to write is a file", "{good} --quiet --out {text}", 2, "expected no such file, found"),
    ("negative rate", "{good} --rate -1 " + QUIET, 2, "Expected a rate ... of 0.001 to 1000"),
    ("rate that is no number", "{good} --rate nan " + QUIET, 2, "Expected a rate ... got nan"),
    ("no jobs", "{good} --jobs 0 " + QUIET, 2, "Expected at least 1 job, got 0"),
    ("model with other bytes", "{good} --model {wrong_hash} " + QUIET, 2, HASH),
    ("Ray not installed", "{good} --engine ray " + QUIET, 2, "pip install ray", ("ray",)),
)
COMPARE = of(
    "compare",
    ("nothing there", "{nothing} {run}", 2, "expected a rosbag2 bag, found nothing"),
    ("empty folder", "{empty_folder} {run}", 2, "expected a rosbag2 bag, found none"),
    ("file of another kind", "{text} {run}", 2, "got a file of another kind"),
    ("named pipe", "{pipe_bag} {run}", 2, "got a file of another kind"),
    ("bag of ROS 1", "{ros1_bag} {run}", 2, "got one of ROS 1. Convert it: ..."),
    ("bag without results", "{cameras} {run}", 2, NO_RUN),
    ("bag of no bytes", "{run} {zero_bag}", 2, "could not read it: zero_bag.mcap: cut short"),
    ("run cut short", "{run} {run_cut}", 1, "DAMAGED, the rest was compared: ..."),
    ("runs over other images", "{run} {run_other}", 2, "expected frames of the same stamps"),
    (
        "no file of tolerances",
        "{run} {run} --tolerances {nothing}",
        2,
        "expected a YAML file: No s",
    ),
    ("unknown tolerance", "{run} {run} --tolerances {tolerances}", 2, "'mach_iou' (perhaps 'match"),
    ("no images", "{run} {run} --html {out} --images {nothing}", 2, "found nothing"),
)
VIEW = of(
    "view",
    ("Rerun not installed", "{run} --save {out}", 2, "pip install rerun-sdk", ("rerun",)),
)
BENCH = of(
    "bench",
    ("nothing there", "--source {nothing} --frames 1", 2, f"expected {KINDS}, found nothing"),
    (
        "empty folder",
        "--source {empty_folder} --frames 1",
        2,
        "expected images (.jpg, ... got none",
    ),
    ("one broken image", "--source {one_broken} --frames 1", 2, BROKEN_IMAGE),
    ("model with other bytes", "--model {wrong_hash} --frames 1", 2, HASH),
    ("no frames", "--frames 0", 2, "--frames: expected a number of at least 1, got '0'"),
)
LAYOUTS = "expected one of these layouts, found none: ..."
TRUNCATED = "1 error(s): ... images/1.jpg: truncated"
DOGS = "expected objects of rail, person, forklift, got 'dog' too; rename each"
STATS = of(
    "stats",
    ("nothing there", "{nothing}", 2, "expected a data set, found no such file or folder"),
    ("empty folder", "{empty_folder}", 2, LAYOUTS + " Found: nothing"),
    ("file of another kind", "{text}", 2, LAYOUTS + " give the folder it is in"),
    ("images without labels", "{good}", 2, LAYOUTS + " Found: 2 .jpg"),
    ("bag of ROS 1", "{ros1_bag}", 2, LAYOUTS + " rosbags-convert"),
    ("labels cut short", "{data_json}", 2, "annotations.json: expected JSON, could not read it"),
    ("one broken image", "{data_broken}", 2, TRUNCATED),
    ("images not fetched by Git LFS", "{data_pointers}", 2, f"images/0.jpg: not an image: {LFS}"),
    ("labels not fetched by Git LFS", "{data_pointer}", 2, f"annotations.json: {LFS}"),
    ("boxes outside", "{data_outside}", 2, "4 error(s): ... images/0.jpg: box ... lies outside"),
    ("no image listed", "{data_empty}", 2, "expected at least one image, got an empty data set"),
    (
        "the same images twice",
        "{data} {data}",
        2,
        "got 4 of ... again, such as ... in one data set",
    ),
    ("unknown class", "{data} --names octarine", 2, "expected objects of octarine, got 'person'"),
    ("unknown split", "{data} --split val", 2, "expected one split of the name 'val'"),
    ("unknown layout", "{data} --format octarine", 2, "--format: invalid choice: 'octarine'"),
    ("no size", "{data} --size 0 5", 2, "Expected a positive size"),
    ("fold that is none", "{data} --fold 3/2", 2, "--fold: expected K/N"),
    ("half a pair", "{data} --rename person", 2, "--rename: expected THEIRS=OURS, got 'person'"),
    (
        "two names for a class",
        "{data} --rename a=rail --rename a=person",
        2,
        "--rename: expected one name for 'a', got 'rail' and 'person'",
    ),
)
DATA = (
    *of(
        "data check",
        (
            "nothing there",
            "{nothing} " + CHECK,
            2,
            "expected a data set, found no such file or folder",
        ),
        (
            "one broken image",
            "{data_broken} " + CHECK,
            1,
            "error: images/1.jpg: truncated ... 1 err",
        ),
        ("page below a file", "{data} --out {text}/x.html", 2, "File exists"),
    ),
    *of(
        "data import",
        (
            "nothing there",
            "{nothing} --out {out}",
            2,
            "expected a data set, found no such file or folder",
        ),
        ("one broken image", "{data_broken} --out {out}", 2, TRUNCATED),
        ("folder to write is full", "{data} --out {good}", 2, "that does not exist yet, found one"),
        ("folder to write is a file", "{data} --out {text}", 2, "Not a directory"),
    ),
    *of(
        "data upright",
        ("nothing there", "{nothing} --out {out}", 2, "expected annotations.json, could not read"),
        ("images without labels", "{good} --out {out}", 2, "expected annotations.json, could not"),
        (
            "one broken image",
            "{data_broken} --out {out}",
            2,
            "images/1.jpg: Expected a whole JPEG image, got",
        ),
        ("folder to write is full", "{data} --out {good}", 2, "that does not exist yet"),
    ),
    *of(
        "data pseudo-masks",
        ("nothing there", "{nothing} --teacher {text} --out {out}", 2, "no such file or folder"),
        ("no teacher", "{data} --teacher {nothing} --out {out}", 2, "expected a LiteRT network"),
        (
            "teacher is a text",
            "{data} --teacher {text} --out {out}",
            2,
            "expected a LiteRT network",
        ),
        (
            "unknown class",
            "{data} --teacher {text} --out {out} --classes octarine",
            2,
            "--classes: expected classes of rail, person, forklift, got 'octarine'",
        ),
    ),
)
EVALUATE = of(
    "evaluate",
    ("nothing there", "--data {nothing}", 2, "expected a data set, found no such file or folder"),
    ("bag of ROS 1", "--data {ros1_bag}", 2, "got one of ROS 1. Convert it: ..."),
    (
        "bag without truth",
        "--data {cameras}",
        2,
        "expected one topic of truth ... the bag has none",
    ),
    ("bag of no bytes", "--data {zero_bag}", 2, "could not read it: zero_bag.mcap: cut short"),
    ("one broken image", "--data {data_broken}", 2, TRUNCATED),
    ("unknown class", "--data {data_dogs}", 2, DOGS),
    (
        "no labelled object",
        "--data {data_no_boxes}",
        2,
        "expected labelled objects or pixels of rail, person, forklift to judge by, got none",
    ),
    ("unknown model", "--data {data} --model octarine", 2, NO_MODEL),
    ("model with other bytes", "--data {data} --model {wrong_hash}", 2, HASH),
    ("overlap above 1", "--data {data} --iou 7", 2, "--iou: expected a number of 0 to 1, got '7'"),
    ("no images", "--data {data} --limit 0", 2, "--limit: expected a number of at least 1"),
)
TUNE = of(
    "tune",
    ("nothing there", "--data {nothing}", 2, "expected a data set, found no such file or folder"),
    ("one broken image", "--data {data_broken}", 2, TRUNCATED),
    (
        "no labelled object",
        "--data {data_no_boxes}",
        2,
        "Expected objects and right detections of",
    ),
    ("unknown class", "--data {data} --goal octarine=f1", 2, "Expected goals for classes of rail,"),
    ("f1 with a value", "--data {data} --goal person=f1:0.9", 2, "Expected f1 without a value"),
    (
        "two goals for a class",
        "--data {data} --goal person=f1 --goal person=recall:0.9",
        2,
        "--goal: expected each class once",
    ),
    ("unknown goal", "--data {data} --goal person=best", 2, "Expected a goal of f1, recall, fppi"),
    ("share above 1", "--data {data} --goal person=recall:7", 2, "Expected a value above 0"),
)
CARD = of(
    "card",
    (
        "nothing there",
        "--data {nothing} --out {out}",
        2,
        "expected a data set, found no such file or folder",
    ),
    ("no clip", "--data {data} --clip {nothing} --out {out}", 2, "found nothing"),
    ("broken clip", "--data {data} --clip {all_broken} --out {out}", 2, "a.jpg: Expected a whole"),
)
SYNTH = of(
    "synth",
    ("no count", "--out {out}", 2, "expected --count N, or --drive for a bag; got neither"),
    ("count of 0", "--out {out} --count 0", 2, "Expected count of at least 1, got 0"),
    ("no size", "--out {out} --count 1 --size 0 5", 2, "Expected height of at least 32, got 0"),
    ("no people", "--out {out} --count 1 --cutouts {nothing}", 2, "Expected a data set with"),
    (
        "list of other people",
        "--out {out} --count 1 --cutouts {data} --cutout-list {text}",
        2,
        "expected file names of its images in the list of cut-outs, 1 are not",
    ),
    ("folder is there", "--drive --out {good}", 2, "expected no such folder, found one"),
    ("rate of 0", "--drive --out {out} --rate 0", 2, "Expected rate of 0.1 .. 120, got 0.0"),
    ("negative length", "--drive --out {out} --seconds -1", 2, "Expected seconds of 0.1 .. 600"),
)
MINE = of(
    "mine",
    ("nothing there", "{nothing} --out {out}", 2, f"expected {KINDS}, found nothing"),
    ("empty folder", "{empty_folder} --out {out}", 2, "expected images (.jpg, ... got none"),
    ("one broken image", "{one_broken} --out {out}", 1, f"{BROKEN_IMAGE} ... 1 could not be read"),
    ("broken images alone", "{all_broken} --out {out}", 2, "0 frames; 3 could not be read"),
)
FIT = (
    *of(
        "init",
        (
            "nothing there",
            "{nothing} --out {out}.yaml",
            2,
            "expected a data set, found no such file or folder",
        ),
        ("file to write is there", "{data} --out {yaml_list}", 2, "expected a new file, it exists"),
        ("one broken image", "{data_broken} --out {out}.yaml", 2, TRUNCATED),
        ("no labelled object", "{data_no_boxes} --out {out}.yaml", 2, "expected labelled objects"),
    ),
    *of(
        "fit",
        (
            "nothing there",
            "{nothing} --out {out}",
            2,
            "expected a data set, found no such file or folder",
        ),
        ("empty folder", "{empty_folder} --out {out}", 2, LAYOUTS),
        ("no labelled object", "{data_no_boxes} --out {out}", 2, "expected labelled objects"),
        ("too few images", "{data} --out {out}", 2, "expected at least 6 images to train on"),
        ("unknown class", "{data} --out {out} --classes octarine", 2, "expected names of the data"),
        (
            "a class twice",
            "{data} --out {out} --classes person,person",
            2,
            "--classes: expected different class names with commas, got 'person,person'",
        ),
        (
            "two beginnings of a class",
            "{data} --out {out} --from person=rail person=forklift",
            2,
            "--from: expected one name for 'person', got 'rail' and 'forklift'",
        ),
        ("the same images twice", "{data} {data} --out {out}", 2, "got 4 of ... again, such as"),
        ("time that is none", "{data} --out {out} --budget soon", 2, "expected a time such as 30m"),
    ),
)
TRAIN = (
    *of(
        "train",
        ("nothing there", "{nothing}", 2, "expected a YAML file: No such file"),
        ("list in place of keys", "{yaml_list}", 2, "TrainConfig: expected a mapping"),
        ("unknown key", "{yaml_key}", 2, "unknown key 'lerning_rate'; known are ..."),
        ("broken YAML", "{yaml_broken}", 2, "can't be read as YAML: ... line 1"),
    ),
    *of(
        "average",
        ("nothing there", "{nothing} --shares 1 --out {out}", 2, "expected a checkpoint"),
        ("shares that do not fit", "{good} --shares .5 .5 --out {out}", 2, "expected 1 shares"),
    ),
    *of(
        "export",
        ("nothing there", "{nothing} --out {out}", 2, "expected a run folder or a checkpoint"),
        ("folder without a run", "{good} --out {out}", 2, "found no ... nor is it a model folder"),
        ("model with other bytes", "{wrong_hash} --out {out}", 2, HASH),
        ("no images", "warehouse --out {out} --images 0", 2, "Expected at least 1 calibration"),
    ),
    *of(
        "summary",
        ("no size", "--size 0 3", 2, "size_hw: expected a number in 32 .. 4096, got 0"),
    ),
)
DOCTOR = of(
    "doctor",
    ("simplejpeg not installed", "", 1, "broken simplejpeg ... fix: pip install", ("simplejpeg",)),
    ("rosbags not installed", "", 0, "optional rosbags ... fix: ...", ("rosbags",)),
)
CASES = (
    *PREDICT, *REPLAY, *COMPARE, *VIEW, *BENCH, *EVALUATE, *TUNE, *STATS, *DATA, *MINE, *SYNTH,
    *FIT, *TRAIN, *CARD, *DOCTOR,
)  # fmt: skip
