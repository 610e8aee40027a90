"""`mtv predict` of every kind of input: what it writes, says, leaves out, and its exit status."""

import json
import os
import resource
from contextlib import contextmanager

import cv2
import numpy as np
import pytest

from mtv_perception.bags.reader import COMPRESSED, RAW
from mtv_perception.cli.main import main
from mtv_perception.messages.typestore import builder, typestore
from mtv_perception.resources import take_alone

rosbag2 = pytest.importorskip("rosbags.rosbag2", reason="needs rosbags")


@pytest.fixture
def predict(tmp_path, monkeypatch, red_finder):
    """Runs the command with a perceiver that finds what is red; returns its status and lines."""
    import mtv_perception.runtime as runtime

    monkeypatch.setattr(runtime, "Perceiver", lambda *_: red_finder())
    monkeypatch.setattr(runtime, "load_artefact", lambda *_: None)
    out = tmp_path / "out"

    def run(*arguments):
        status = main(["predict", *map(str, arguments), "--out", str(out)])
        file = out / "results.jsonl"
        lines = file.read_text().splitlines() if file.exists() else []
        return status, [json.loads(line) for line in lines]

    run.out = out
    return run


@pytest.fixture
def folder(tmp_path, draw):
    """Twelve images whose names count on; the box walks right."""
    path = tmp_path / "images"
    path.mkdir()
    for index in range(1, 13):
        cv2.imwrite(str(path / f"frame{index}.jpg"), draw(index)[..., ::-1])
    return path


def files(folder):
    return sorted(item.name for item in folder.iterdir())


def test_a_folder_is_read_as_people_count_and_files_keep_their_names(predict, folder):
    (folder / "._frame1.jpg").write_bytes(b"a Mac's own file")
    status, lines = predict(folder)
    assert status == 0
    assert [line["frame"] for line in lines] == [f"frame{index}.jpg" for index in range(1, 13)]
    assert files(predict.out / "overlays") == sorted(f"frame{index}.jpg" for index in range(1, 13))
    assert files(predict.out / "masks") == sorted(f"frame{index}.png" for index in range(1, 13))


def test_images_of_one_name_do_not_overwrite_each_other(predict, folder, tmp_path):
    (tmp_path / "other").mkdir()
    cv2.imwrite(str(tmp_path / "other" / "frame1.png"), cv2.imread(str(folder / "frame1.jpg")))
    status, lines = predict(folder / "frame1.jpg", tmp_path / "other")
    assert status == 0 and [line["name"] for line in lines] == ["frame1", "frame1-2"]
    assert files(predict.out / "overlays") == ["frame1-2.jpg", "frame1.jpg"]


def test_labels_of_two_images_of_one_name_are_refused(predict, folder, tmp_path, capsys):
    (tmp_path / "other").mkdir()
    cv2.imwrite(str(tmp_path / "other" / "frame1.png"), cv2.imread(str(folder / "frame1.jpg")))
    status, _ = predict(folder / "frame1.jpg", tmp_path / "other", "--labels", "coco")
    assert status != 0
    assert "two images are called frame1" in capsys.readouterr().err


def cut(data):
    return data[: len(data) // 2]


def lose(data):
    return data[: len(data) // 3] + data[len(data) // 3 + 300 :]


@pytest.mark.parametrize("damage", [cut, lose, lambda data: b"", lambda data: b"<html>404"])
def test_broken_images_among_good_ones_are_counted(predict, folder, capsys, damage):
    for name in ("frame3.jpg", "frame7.jpg"):
        (folder / name).write_bytes(damage((folder / name).read_bytes()))
    status, lines = predict(folder)
    assert status == 1 and len(lines) == 10
    said = capsys.readouterr()
    assert "10 frames; found 10 person; 2 could not be read" in said.out
    assert "frame3.jpg" in said.err and "frame7.jpg" in said.err


def test_no_image_at_all_is_status_2(predict, folder, tmp_path, capsys):
    for item in folder.iterdir():
        item.write_bytes(cut(item.read_bytes()))
    assert predict(folder) == (2, [])
    (tmp_path / "empty").mkdir()
    assert predict(tmp_path / "empty") == (2, [])
    assert predict(tmp_path / "gone.jpg") == (2, [])
    assert "found nothing" in capsys.readouterr().err
    assert not predict.out.exists()


@pytest.mark.parametrize(
    ("folders", "told"),
    [
        (("images",), ["give {root}/images."]),
        (("train/images",), ["give {root}/train/images."]),
        (
            ("train/images", "valid/images"),
            ["give them one by one: {root}/train/images, {root}/valid/images."],
        ),
        (tuple("abcdef"), ["6 folder(s) of images", "{root}/d, ..."]),
    ],
)
def test_a_folder_of_splits_names_the_folders_to_give(predict, tmp_path, capsys, folders, told):
    """As labelling tools export them: the images lie beside labels, further down."""
    root = tmp_path / "my-floor"
    for name in folders:
        (root / name).mkdir(parents=True)
        (root / name / "a.jpg").write_bytes(b"")
    (root / "data.yaml").touch()

    assert predict(root) == (2, [])

    text = capsys.readouterr().err
    assert all(part.format(root=root) in text for part in told), text
    assert not predict.out.exists()


def test_a_run_without_a_frame_keeps_the_results_before(predict, folder, tmp_path):
    assert predict(folder)[0] == 0

    status, lines = predict(tmp_path / "gone.jpg")

    assert status == 2 and len(lines) == 12


def test_a_source_that_fails_does_not_end_the_others(predict, folder, tmp_path):
    status, lines = predict(tmp_path / "gone.jpg", folder)
    assert status == 1 and len(lines) == 12


def test_labels_are_written_on_request(predict, folder):
    status, lines = predict(folder / "frame4.jpg", "--labels", "yolo", "coco")
    assert status == 0
    (x0, y0, x1, y1), (height, width) = lines[0]["detections"][0]["box_xyxy"], lines[0]["size_hw"]
    name, *box = (predict.out / "labels" / "frame4.txt").read_text().split()
    classes = (predict.out / "classes.txt").read_text().splitlines()
    assert classes[int(name)] == lines[0]["detections"][0]["class"]
    expected = [
        (x0 + x1) / 2 / width,
        (y0 + y1) / 2 / height,
        (x1 - x0) / width,
        (y1 - y0) / height,
    ]
    assert np.allclose([float(value) for value in box], expected, atol=1e-5)
    coco = json.loads((predict.out / "annotations.json").read_text())
    assert coco["images"] == [
        {"id": 1, "file_name": "frame4.jpg", "height": height, "width": width}
    ]
    assert coco["annotations"][0]["bbox"] == [x0, y0, x1 - x0, y1 - y0]


@pytest.fixture
def video(tmp_path, draw):
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (64, 48))
    for index in range(8):
        writer.write(draw(index)[..., ::-1])
    writer.release()
    return path


def test_a_video_becomes_an_annotated_video(predict, video, capfd):
    status, lines = predict(video)
    assert "OpenCV" not in capfd.readouterr().err
    assert status == 0 and [line["stamp_ns"] for line in lines] == [k * 10**8 for k in range(8)]
    assert not (predict.out / "overlays").exists(), "an empty folder"
    capture = cv2.VideoCapture(str(predict.out / "clip.webm"))
    frames = 0
    while capture.read()[0]:
        frames += 1
    assert frames == 8


def test_a_motion_jpeg_video_with_a_damaged_frame_is_counted(predict, video):
    data = bytearray(video.read_bytes())
    starts = [at for at in range(len(data) - 3) if data[at : at + 3] == b"\xff\xd8\xff"]
    data[starts[3] + 300 : starts[3] + 302] = b"\xff\xd9"  # the end, too early
    video.write_bytes(data)
    status, lines = predict(video)
    assert status == 1 and len(lines) == 7


def message(kind, index, draw, encoding="bgr8"):
    build = builder()
    header = build.header(10**18 + index, "camera")
    pixels = draw(index)[..., ::-1]
    if kind == COMPRESSED:
        return build.compressed(
            cv2.imencode(".jpg", pixels)[1], "bgr8; jpeg compressed bgr8", header
        )
    if encoding == "16UC1":
        found = build.image(np.zeros((48, 128), np.uint8), "mono8", header)
        found.width, found.encoding = 64, encoding
        return found
    found = build.image(pixels, "bgr8", header)
    found.encoding = encoding
    return found


@pytest.fixture
def write_topics(tmp_path, draw):
    """Writes a bag of topics: name, type and the encoding (or text) of each message."""

    def write(*topics, storage="MCAP"):
        store, path = typestore(), tmp_path / f"bag{storage}"
        plugin = getattr(rosbag2.StoragePlugin, storage)
        with rosbag2.Writer(path, version=9, storage_plugin=plugin) as writer:
            for place, (name, kind, contents) in enumerate(topics):
                connection = writer.add_connection(name, kind, typestore=store)
                for index, content in enumerate(contents):
                    if kind == "std_msgs/msg/String":
                        found = store.types[kind](data=content)
                    else:
                        found = message(kind, index, draw, content)
                    cdr = store.serialize_cdr(found, kind)
                    writer.write(connection, 100 * index + place, cdr)
        return path

    return write


GOOD = ["bgr8"] * 4
STRING = ("/front/image", "std_msgs/msg/String", ["text"] * 3)
FRONT, REAR = ("/front/image", RAW, GOOD), ("/rear/image", RAW, GOOD)
TWIN = ("/front/image/compressed", COMPRESSED, GOOD)
DEPTH = ("/depth/image", RAW, ["16UC1"] * 4)


@pytest.mark.parametrize("storage", ["MCAP", "SQLITE3"])
@pytest.mark.parametrize(
    ("topics", "frames", "status", "said"),
    [
        ([FRONT, REAR], 8, 0, ["/front/image (4), /rear/image (4)"]),
        ([DEPTH, FRONT], 4, 0, ["left out: /depth/image: 4 messages, a depth image"]),
        ([DEPTH], 0, 2, ["a depth image by its encoding 16UC1", "--topics"]),
        ([FRONT, STRING], 4, 0, ["left out: /front/image: 3 messages, std_msgs/msg/String"]),
        ([STRING, FRONT], 4, 0, ["left out: /front/image: 3 messages, std_msgs/msg/String"]),
        ([("/front/image", RAW, []), TWIN], 4, 0, ["left out: /front/image: 0 messages"]),
        ([FRONT, TWIN], 4, 0, ["left out: /front/image/compressed: 4 messages, the same camera"]),
        ([("/depth_camera/image", RAW, GOOD)], 4, 0, ["/depth_camera/image (4)"]),
        ([("/front/image", RAW, ["bgr8", "nv12", *GOOD])], 5, 1, ["1 could not be read"]),
        ([("/front/image", RAW, ["nv12"] * 4)], 0, 2, ["4 could not be read"]),
        ([("/front/image", RAW, [])], 0, 2, ["nothing was recorded"]),
    ],
    ids=[
        *("two cameras", "depth first", "depth alone", "two types", "two types, other first"),
        *("empty raw", "twin", "depth camera's colours", "unknown among good", "unknown", "empty"),
    ],
)
def test_bags(predict, write_topics, capsys, storage, topics, frames, status, said):
    found, lines = predict(write_topics(*topics, storage=storage))
    text = "".join(capsys.readouterr())
    assert (found, len(lines)) == (status, frames)
    assert all(part in text for part in said), text


def test_topics_choose_and_the_rest_is_said(predict, write_topics, capsys):
    bag = write_topics(FRONT, REAR, DEPTH)
    status, lines = predict(bag, "--topics", "/rear/image")
    assert status == 0 and {line["frame"].split("#")[0] for line in lines} == {"/rear/image"}
    text = capsys.readouterr().out
    assert "left out: /front/image: 4 messages, not among the topics asked for" in text
    assert predict(bag, "--topics", "/side/image")[0] == 2
    assert "/front/image (sensor_msgs/msg/Image), 4 messages" in capsys.readouterr().err


def test_a_camera_that_is_not_there_is_one_sentence(predict, capsys):
    assert predict("97")[0] == 2
    assert "camera with number 97" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["folder", "image", "bag", "video"])
@pytest.mark.parametrize(("limit", "status"), [(64 * 48, 0), (64 * 48 - 1, 2)])
def test_max_pixels_of_every_source(predict, folder, write_topics, capsys, kind, limit, status):
    def video():
        path = folder.parent / "clip.avi"
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"FFV1"), 10, (64, 48))
        writer.write(cv2.imread(str(folder / "frame1.jpg")))
        writer.release()
        return path

    source = {
        "folder": lambda: folder,
        "image": lambda: folder / "frame1.jpg",
        "bag": lambda: write_topics(FRONT),
        "video": video,
    }[kind]()
    assert predict(source, "--max-pixels", limit)[0] == status
    text = capsys.readouterr().err
    said = (f"1 to {limit} pixels, got 64x48", "--max-pixels raises the limit", "mtv: ")
    assert all((part in text) == bool(status) for part in said)


@pytest.mark.parametrize("value", ["0", "-1", "1e6", "all"])
def test_max_pixels_that_are_no_number(predict, folder, capsys, value):
    with pytest.raises(SystemExit):
        main(["predict", str(folder), "--out", str(predict.out), f"--max-pixels={value}"])
    assert "--max-pixels: expected a number of at least 1" in capsys.readouterr().err


def test_what_a_folder_holds_beside_images_is_said(predict, folder, capsys):
    (folder / "sub" / "deeper").mkdir(parents=True)
    (folder / "sub" / "deeper" / "a.jpg").write_bytes(b"")
    for name in ("a.heic", "b.AVIF", "c.mp4", "._d.heic"):
        (folder / name).write_bytes(b"")
    assert predict(folder)[0] == 0
    said = capsys.readouterr().out
    assert "1 folder(s) of images" in said and "1 video(s)" in said
    assert "2 picture(s) of formats that are not read" in said


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ((), "expected images"),
        (("notes.txt",), "expected images"),
        (("a.heic",), "1 picture(s) of formats that are not read"),
        (("sub/a.jpg",), "1 folder(s) of images"),
        (("a.mp4",), "1 video(s)"),
    ],
)
def test_a_folder_without_images_says_what_it_holds(predict, tmp_path, capsys, made, said):
    folder = tmp_path / "things"
    folder.mkdir()
    for name in made:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"")
    assert predict(folder)[0] == 2
    text = capsys.readouterr().err
    assert said in text and str(folder) in text


@pytest.mark.parametrize(
    "name", [b"photo#2.jpg", b"a#b#3.png", b"#.png", b"caf\xe9.png", b"\xff#1.jpg"]
)
@pytest.mark.parametrize("anonymise", [False, True])
def test_any_name_of_an_image_file_is_read(predict, tmp_path, draw, name, anonymise):
    folder = tmp_path / "odd"
    folder.mkdir()
    suffix = name[-4:].decode()
    coded = cv2.imencode(suffix, draw(1)[..., ::-1])[1].tobytes()
    with open(os.fsencode(folder) + b"/" + name, "wb") as file:
        file.write(coded)
    status, (line,) = predict(folder, *["--anonymise"] * anonymise)
    assert status == 0 and line["detections"]
    stem = name[:-4].decode("utf-8", "replace")
    assert files(predict.out / "overlays") == [f"{stem}.jpg"]
    assert files(predict.out / "masks") == [f"{stem}.png"]


def test_a_video_whose_name_is_not_utf8_is_refused_in_one_sentence(predict, video, capsys):
    odd = os.fsencode(video.parent) + b"/caf\xe9" + os.fsencode(video.suffix)
    os.rename(video, odd)
    status, _ = predict(os.fsdecode(odd))
    assert status != 0
    assert "expected a path in UTF-8 for a video" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["masks/a.png", "annotations.json", "classes.txt", "labels/a.txt"])
def test_a_folder_with_labels_of_other_origin_is_not_written_into(predict, folder, name, capsys):
    file = predict.out / name
    file.parent.mkdir(parents=True)
    file.write_text("drawn by hand")
    status, lines = predict(folder)

    assert status == 2 and not lines
    assert "of other origin; choose another --out" in capsys.readouterr().err
    assert file.read_text() == "drawn by hand"
    assert [p for p in predict.out.rglob("*") if p.is_file()] == [file]


def test_nothing_of_an_earlier_run_is_left(predict, folder):
    assert predict(folder)[0] == 0
    (predict.out / "masks" / "mine.png").write_bytes(b"not of the run")
    for index in range(4, 13):
        (folder / f"frame{index}.jpg").unlink()

    status, lines = predict(folder)
    assert status == 0 and len(lines) == 3
    kept = [f"frame{index}" for index in range(1, 4)]
    assert files(predict.out / "masks") == [*(f"{name}.png" for name in kept), "mine.png"]
    assert files(predict.out / "overlays") == [f"{name}.jpg" for name in kept]


@pytest.mark.parametrize("form", ["yolo", "coco"])
def test_labels_of_an_earlier_run_are_not_replaced(predict, folder, form, capsys):
    """Somebody may have corrected them."""
    assert predict(folder, "--labels", form)[0] == 0
    before = {p: p.read_bytes() for p in predict.out.rglob("*") if p.is_file()}

    assert predict(folder, "--labels", form)[0] == 2
    assert "of an earlier run; remove it, or choose another --out" in capsys.readouterr().err
    assert {p: p.read_bytes() for p in predict.out.rglob("*") if p.is_file()} == before


def test_the_overlays_of_a_run_are_no_source_of_the_next_into_it(predict, folder, capsys):
    assert predict(folder)[0] == 0
    before = files(predict.out / "overlays")

    assert predict(predict.out / "overlays")[0] == 2
    assert "is written to; choose another --out" in capsys.readouterr().err
    assert files(predict.out / "overlays") == before


def test_a_video_is_not_overwritten_by_its_own_overlays(predict, write_video, tmp_path, capsys):
    predict.out.mkdir()
    source = write_video(predict.out / "drive.webm")
    before = source.read_bytes()

    assert predict(source)[0] == 2
    assert "is the source itself; choose another --out" in capsys.readouterr().err
    assert source.read_bytes() == before


def test_a_recording_is_not_overwritten_by_overlays_of_another(
    predict, write_video, tmp_path, capsys
):
    """Of a source of the same name, whether it is a source, too, or not."""
    source, other = write_video(tmp_path / "drive.webm"), predict.out / "drive.webm"
    predict.out.mkdir()
    before = write_video(other).read_bytes()

    assert predict(source)[0] == 2
    assert "found one of other origin; choose another --out" in capsys.readouterr().err
    assert predict(source, other)[0] == 1
    assert "is the source itself; choose another --out" in capsys.readouterr().err
    assert other.read_bytes() == before


@contextmanager
def disk_for(size):
    """No file may hold more bytes, as on a full disk."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_overlays_of_an_earlier_run_are_replaced(predict, write_video, tmp_path):
    source = write_video(tmp_path / "drive.webm")
    assert predict(source)[0] == predict(source)[0] == 0
    assert files(predict.out) == ["drive.webm", "masks", "results.jsonl"]


def test_a_video_that_lost_its_end_on_a_full_disk_is_told(predict, write_video, tmp_path, capsys):
    """OpenCV's writer says nothing of it."""
    noise = np.random.default_rng(0).integers(256, size=(4, 240, 320, 3), dtype=np.uint8)
    source = write_video(tmp_path / "drive.webm", images=noise)
    with disk_for(20_000):
        status, _ = predict(source)
    assert status == 1
    assert "expected a whole video, found one without its end" in capsys.readouterr().err


@pytest.fixture
def write_video(draw):
    def write(path, frames=4, images=None):
        images = [draw(index) for index in range(frames)] if images is None else images
        height, width = images[0].shape[:2]
        code = cv2.VideoWriter.fourcc(*"VP80")
        writer = cv2.VideoWriter(str(path), code, 10, (width, height))
        for image in images:
            writer.write(image[..., ::-1])
        writer.release()
        return path

    return write


def test_a_video_without_frames_writes_nothing_and_says_so(predict, tmp_path, capsys):
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"XVID"), 10, (64, 48))
    writer.write(np.zeros((48, 64, 3), np.uint8))
    writer.release()
    path.write_bytes(path.read_bytes().replace(b"XVID", b"ABCD"))
    assert predict(path) == (2, [])
    said = capsys.readouterr()
    assert "writing" not in said.out and "ffmpeg -i clip.avi" in said.err
    assert not predict.out.exists()


def test_a_folder_that_another_run_writes_is_left_alone(predict, folder, capsys):
    predict.out.mkdir()
    (predict.out / "results.jsonl").write_text("{}\n")
    with (predict.out / "results.jsonl").open("a") as other:
        assert take_alone(other)
        assert predict(folder) == (2, [{}])
    assert "another `mtv predict` writes it" in capsys.readouterr().err
    status, lines = predict(folder)
    assert status == 0 and len(lines) == 12


def test_a_full_disk_names_the_file(predict, folder, capsys):
    with disk_for(200):
        status, _ = predict(folder)
    assert status == 1
    assert f"File too large: '{predict.out / 'masks' / 'frame1.png'}'" in capsys.readouterr().err


def test_pictures_of_another_suffix_are_named(predict, folder, capsys):
    (folder / "frame1.jpg").rename(folder / "frame1")
    (folder / "frame2.jpg").rename(folder / "frame2.jpg_large")
    (folder / "readme.md").write_text("a note")
    status, lines = predict(folder)
    assert status == 0 and len(lines) == 10
    said = capsys.readouterr().out
    assert "left out: 2 picture(s) of another suffix in images: rename" in said
    assert f"rename {folder / 'frame1'}, {folder / 'frame2.jpg_large'}" in said
    assert predict(folder / "frame1")[0] == 2
    assert "it holds an image: name it by its kind (.jpg, " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("a.heic", "convert it to JPEG or PNG"),
        ("a.DNG", "convert it to JPEG or PNG"),
        ("a.h264", "ffmpeg -i a.h264 -c:v libx264 a-h264.mp4"),
        ("a.zip", "unpack a.zip first"),
    ],
)
def test_a_file_that_is_not_read_says_how_to_convert_it(predict, tmp_path, capsys, name, hint):
    (tmp_path / name).write_bytes(b"content")
    assert predict(tmp_path / name) == (2, [])
    assert f"{name}: expected an image" in (said := capsys.readouterr().err) and hint in said


def test_videos_without_a_container_are_named(predict, folder, capsys):
    (folder / "a.h264").write_bytes(b"content")
    assert predict(folder)[0] == 0
    told = f"1 video(s) of formats that are not read in images: convert {folder / 'a.h264'}"
    assert told in capsys.readouterr().out


def test_a_folder_that_cannot_be_read_hides_no_image_beside_it(
    predict, folder, capsys, monkeypatch
):
    (folder / "closed").mkdir()
    access = os.access
    monkeypatch.setattr(
        os, "access", lambda path, mode: "closed" not in str(path) and access(path, mode)
    )
    assert predict(folder)[0] == 0
    said = capsys.readouterr().out
    assert f"1 folder(s) that can't be read in images: allow it for {folder / 'closed'}" in said


def test_a_source_that_cannot_be_read_hides_no_other(
    predict, folder, write_bag, capsys, monkeypatch
):
    from mtv_perception.bags import reader

    bag = write_bag()

    def refused(path):
        raise PermissionError(13, "Permission denied", str(path / "bag_0.mcap"))

    monkeypatch.setattr(reader, "find_files", refused)
    status, lines = predict(bag, folder)
    assert status == 1 and len(lines) == 12
    said = capsys.readouterr().err
    assert f"{bag}: expected an image" in said and "bag_0.mcap: Permission denied" in said


def test_the_videos_of_an_earlier_run_go_with_its_results(predict, folder, write_video, tmp_path):
    path = write_video(tmp_path / "clip.webm")
    status, lines = predict(path, path)
    assert status == 0 and {line["video"] for line in lines} == {"clip.webm", "clip-2.webm"}
    (predict.out / "mine.webm").write_bytes(b"of other origin")
    (tmp_path / "link.webm").symlink_to(predict.out / "clip-2.webm")
    status, lines = predict(tmp_path / "link.webm", folder)
    assert status == 0 and lines[0]["video"] == "link.webm" and "video" not in lines[-1]
    videos = [name for name in files(predict.out) if name.endswith(".webm")]
    assert videos == ["clip-2.webm", "link.webm", "mine.webm"]
