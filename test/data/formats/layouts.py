"""One small data set in the form of every tool.

Three images, two splits, two classes with outlines.

Every writer writes what the tool itself writes, with its odd parts: files that are no labels, paths
of other machines, class lists with extra entries.
"""

import base64
import json
import zlib
from dataclasses import dataclass
from xml.sax.saxutils import escape

import cv2
import numpy as np

SIZE_HW = (48, 64)
NAMES = ("person", "forklift")


@dataclass(frozen=True)
class Thing:
    """An object: class name and box x0, y0, x1, y1 in whole pixels.

    Its outline is the box's corners.
    """

    name: str
    box: tuple

    @property
    def points(self):
        x0, y0, x1, y1 = self.box
        return [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]

    @property
    def flat(self):
        return [float(value) for point in self.points for value in point]

    @property
    def number(self):
        return NAMES.index(self.name)


@dataclass(frozen=True)
class Picture:
    name: str
    split: str
    things: tuple


PICTURES = (
    Picture(
        "a1.jpg", "train", (Thing("person", (4, 4, 20, 44)), Thing("forklift", (28, 8, 60, 40)))
    ),
    Picture("b2.jpg", "train", (Thing("person", (10, 6, 24, 40)),)),
    Picture("c3.jpg", "val", (Thing("forklift", (2, 10, 40, 46)),)),
)
COUNTS = {"person": 2, "forklift": 2}


def save_image(folder, picture, name=None):
    folder.mkdir(parents=True, exist_ok=True)
    image = np.full((*SIZE_HW, 3), 90, np.uint8)
    for thing in picture.things:
        x0, y0, x1, y1 = thing.box
        image[y0:y1, x0:x1] = (40, 160, 220) if thing.name == "person" else (200, 60, 40)
    cv2.imwrite(str(folder / (name or picture.name)), image)


def save_mask(path, picture, values=(1, 2), background=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    mask = np.full(SIZE_HW, background, np.uint8)
    for thing in picture.things:
        x0, y0, x1, y1 = thing.box
        mask[y0:y1, x0:x1] = values[thing.number]
    cv2.imwrite(str(path), mask)


def text(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


def coco_index(
    pictures, file_name=lambda p: p.name, segmentation=lambda t: [t.flat], first=1, **extra
):
    images, annotations = [], []
    for number, picture in enumerate(pictures):
        height, width = SIZE_HW
        images.append(
            {
                "id": number,
                "file_name": file_name(picture),
                "width": width,
                "height": height,
                **extra,
            }
        )
        for thing in picture.things:
            x0, y0, x1, y1 = thing.box
            annotations.append(
                {
                    "id": len(annotations),
                    "image_id": number,
                    "category_id": thing.number + first,
                    "bbox": [x0, y0, x1 - x0, y1 - y0],
                    "area": (x1 - x0) * (y1 - y0),
                    "segmentation": segmentation(thing),
                    "iscrowd": 0,
                }
            )
    categories = [{"id": i + first, "name": name} for i, name in enumerate(NAMES)]
    return {"images": images, "annotations": annotations, "categories": categories}


def of_split(split):
    return [picture for picture in PICTURES if picture.split == split]


def own_coco(root):
    for picture in PICTURES:
        save_image(root / "images", picture)
    text(root / "annotations.json", json.dumps(coco_index(PICTURES)))


def roboflow_coco(root):
    """Folder names train and valid, an unused category 0 above all others."""
    for split, folder in (("train", "train"), ("val", "valid")):
        for picture in of_split(split):
            save_image(root / folder, picture, f"{picture.name[:2]}_jpg.rf.0a1b2c.jpg")
        index = coco_index(of_split(split), lambda p: f"{p.name[:2]}_jpg.rf.0a1b2c.jpg", license=1)
        index["categories"].insert(0, {"id": 0, "name": "objects", "supercategory": "none"})
        text(root / folder / "_annotations.coco.json", json.dumps(index))
    text(root / "README.roboflow.txt", "exported by a tool\n")
    text(root / "README.dataset.txt", "# objects\n")


def official_coco(root):
    """Splits with a year, and the download's other files of annotations beside the instances."""
    for split in ("train", "val"):
        for picture in of_split(split):
            save_image(root / f"{split}2017", picture)
        index = coco_index(of_split(split), segmentation=lambda t: [t.flat])
        text(root / "annotations" / f"instances_{split}2017.json", json.dumps(index))
        captions = {key: value for key, value in index.items() if key != "categories"}
        text(root / "annotations" / f"captions_{split}2017.json", json.dumps(captions))
        text(root / "annotations" / f"person_keypoints_{split}2017.json", json.dumps(index))


def official_coco_images(root):
    """The images in images/SPLIT."""
    official_coco(root)
    (root / "images").mkdir()
    for split in ("train2017", "val2017"):
        (root / split).rename(root / "images" / split)


def run_lengths(thing, compressed):
    from pycocotools import mask as coco_mask

    mask = np.zeros(SIZE_HW, np.uint8)
    x0, y0, x1, y1 = thing.box
    mask[y0:y1, x0:x1] = 1
    if compressed:
        rle = coco_mask.encode(np.asfortranarray(mask))
        return {"size": list(rle["size"]), "counts": rle["counts"].decode()}
    flat = mask.ravel(order="F")
    edges = [0, *(np.flatnonzero(np.diff(flat)) + 1), flat.size]
    return {"size": list(SIZE_HW), "counts": [int(n) for n in np.diff(edges)]}


def coco_runs(root):
    own_coco(root)
    index = coco_index(PICTURES, segmentation=lambda t: run_lengths(t, False))
    text(root / "annotations.json", json.dumps(index))


def coco_compressed_runs(root):
    own_coco(root)
    index = coco_index(PICTURES, segmentation=lambda t: run_lengths(t, True))
    text(root / "annotations.json", json.dumps(index))


def cvat_coco(root):
    for picture in PICTURES:
        save_image(root / "images" / "default", picture)
    index = coco_index(PICTURES, license=0, flickr_url="", coco_url="", date_captured=0)
    index = {"licenses": [{"name": "", "id": 0, "url": ""}], "info": {"year": ""}, **index}
    text(root / "annotations" / "instances_default.json", json.dumps(index))


def label_studio_coco(root):
    """Categories from 0, file names with the folder, and ids of pictures from 0."""
    for picture in PICTURES:
        save_image(root / "images", picture, f"1f2e3d4c-{picture.name}")
    index = coco_index(PICTURES, lambda p: f"images/1f2e3d4c-{p.name}", first=0)
    text(root / "result.json", json.dumps({**index, "info": {"contributor": "Label Studio"}}))


def fiftyone_coco(root):
    for picture in PICTURES:
        save_image(root / "data", picture)
    text(root / "labels.json", json.dumps({"info": {}, "licenses": [], **coco_index(PICTURES)}))


def box_line(thing):
    (height, width), (x0, y0, x1, y1) = SIZE_HW, thing.box
    centre = ((x0 + x1) / 2 / width, (y0 + y1) / 2 / height)
    return f"{thing.number} {centre[0]} {centre[1]} {(x1 - x0) / width} {(y1 - y0) / height}"


def outline_line(thing):
    height, width = SIZE_HW
    return " ".join([str(thing.number), *(f"{x / width} {y / height}" for x, y in thing.points)])


def yolo_labels(folder, pictures, line=box_line, stem=lambda p: p.name[:-4]):
    folder.mkdir(parents=True, exist_ok=True)
    for picture in pictures:
        text(folder / f"{stem(picture)}.txt", "".join(f"{line(t)}\n" for t in picture.things))


def plain_yolo(root):
    for picture in PICTURES:
        save_image(root / "images", picture)
    yolo_labels(root / "labels", PICTURES)
    text(root / "classes.txt", "person\nforklift\n")


def roboflow_yolo(root, line=outline_line):
    """Paths in data.yaml lead one folder too far up, and a split that is not there."""
    for split, folder in (("train", "train"), ("val", "valid")):
        for picture in of_split(split):
            save_image(root / folder / "images", picture)
        yolo_labels(root / folder / "labels", of_split(split), line)
    text(
        root / "data.yaml",
        "train: ../train/images\nval: ../valid/images\ntest: ../test/images\n\nnc: 2\n"
        "names: ['person', 'forklift']\n\nroboflow:\n  workspace: w\n  version: 3\n",
    )


def roboflow_yolo_boxes(root):
    roboflow_yolo(root, box_line)


def ultralytics(root):
    """The list of names by number, and the caches that training leaves."""
    for split in ("train", "val"):
        for picture in of_split(split):
            save_image(root / "images" / split, picture)
        yolo_labels(root / "labels" / split, of_split(split), outline_line)
        (root / "labels" / f"{split}.cache").write_bytes(b"\x93NUMPY")
    text(
        root / "data.yaml",
        "path: ../datasets/floor  # of another machine\ntrain: images/train\nval: images/val\ntest:\n"
        "names:\n  0: person\n  1: forklift\n",
    )


def ultralytics_lists(root):
    ultralytics(root)
    for split in ("train", "val"):
        lines = [f"./images/{split}/{picture.name}" for picture in of_split(split)]
        text(root / f"{split}.txt", "\n".join(lines))
    text(
        root / "data.yaml",
        "path: .\ntrain: train.txt\nval: val.txt\nnames: {0: person, 1: forklift}\n",
    )


def cvat_ultralytics(root):
    ultralytics(root)
    for split in ("train", "val"):
        lines = [f"data/images/{split}/{picture.name}" for picture in of_split(split)]
        text(root / f"{split}.txt", "\n".join(lines))
    text(
        root / "data.yaml",
        "names:\n  0: person\n  1: forklift\npath: .\ntrain: train.txt\nval: val.txt\n",
    )


def cvat_yolo(root):
    for picture in PICTURES:
        save_image(root / "obj_train_data", picture)
    yolo_labels(root / "obj_train_data", PICTURES)
    text(root / "obj.names", "person\nforklift\n")
    text(
        root / "obj.data",
        "classes = 2\ntrain = data/train.txt\nnames = data/obj.names\nbackup = backup/\n",
    )
    text(root / "train.txt", "".join(f"data/obj_train_data/{p.name}\n" for p in PICTURES))


def label_studio_yolo(root):
    for picture in PICTURES:
        save_image(root / "images", picture, f"1f2e3d4c-{picture.name}")
    yolo_labels(root / "labels", PICTURES, stem=lambda p: f"1f2e3d4c-{p.name[:-4]}")
    text(root / "classes.txt", "person\nforklift")
    text(root / "notes.json", json.dumps({"categories": [{"id": 0, "name": "person"}], "info": {}}))


def cvat_groups(root):
    """Each outline with a box around it, as one group."""
    cvat_images(root, grouped=True)


def cvat_images(root, grouped=False):
    shapes = []
    for picture in PICTURES:
        save_image(root / "images", picture)
        items = []
        for number, thing in enumerate(picture.things, 1):
            x0, y0, x1, y1 = thing.box
            group = f'group_id="{number if grouped else 0}"'
            if grouped:
                items.append(
                    f'<box label="{thing.name}" xtl="{x0}" ytl="{y0}" xbr="{x1}" ybr="{y1}" {group}/>'
                )
            points = ";".join(f"{x}.00,{y}.00" for x, y in thing.points)
            if thing.name == "person":
                items.append(f'<polygon label="person" source="manual" points="{points}" {group}/>')
            else:
                height, width = y1 - y0, x1 - x0
                runs = f"0, {width * height}"
                items.append(
                    f'<mask label="forklift" source="manual" rle="{runs}" left="{x0}" top="{y0}" '
                    f'width="{width}" height="{height}" {group}/>'
                )
        items.append('<polyline label="edge" points="1.0,1.0;9.0,9.0" z_order="0"/>')
        height, width = SIZE_HW
        shapes.append(
            f'<image id="{len(shapes)}" name="{escape(picture.name)}" width="{width}" '
            f'height="{height}">{"".join(items)}</image>'
        )
    labels = "".join(f"<label><name>{name}</name></label>" for name in (*NAMES, "edge"))
    meta = f"<meta><task><labels>{labels}</labels></task></meta>"
    text(
        root / "annotations.xml",
        '<?xml version="1.0" encoding="utf-8"?>\n<annotations><version>1.1</version>'
        f"{meta}{''.join(shapes)}</annotations>",
    )


def voc_xml(picture, folder):
    objects = []
    for thing in picture.things:
        x0, y0, x1, y1 = thing.box
        box = f"<xmin>{x0 + 1}</xmin><ymin>{y0 + 1}</ymin><xmax>{x1}</xmax><ymax>{y1}</ymax>"
        objects.append(
            f"<object><name>{thing.name}</name><pose>Unspecified</pose><difficult>0</difficult>"
            f"<bndbox>{box}</bndbox></object>"
        )
    height, width = SIZE_HW
    return (
        f"<annotation><folder>{folder}</folder><filename>{picture.name}</filename>"
        f"<path>C:\\pictures\\{picture.name}</path><size><width>{width}</width>"
        f"<height>{height}</height><depth>3</depth></size>{''.join(objects)}</annotation>"
    )


def voc_one_folder(root):
    for picture in PICTURES:
        save_image(root, picture)
        text(root / f"{picture.name[:-4]}.xml", voc_xml(picture, root.name))


def voc_two_folders(root):
    for picture in PICTURES:
        save_image(root / "images", picture)
        text(root / "annotations" / f"{picture.name[:-4]}.xml", voc_xml(picture, "images"))


def voc_three_folders(root):
    for picture in PICTURES:
        save_image(root / "JPEGImages", picture)
        text(root / "Annotations" / f"{picture.name[:-4]}.xml", voc_xml(picture, "VOC2012"))
    lists = {"train": of_split("train"), "val": of_split("val"), "trainval": PICTURES}
    for name, pictures in lists.items():
        stems = [picture.name[:-4] for picture in pictures]
        text(root / "ImageSets" / "Main" / f"{name}.txt", "".join(f"{stem}\n" for stem in stems))
        text(
            root / "ImageSets" / "Main" / f"person_{name}.txt", "".join(f"{s}  1\n" for s in stems)
        )


def roboflow_voc(root):
    for split, folder in (("train", "train"), ("val", "valid")):
        for picture in of_split(split):
            save_image(root / folder, picture)
            text(root / folder / f"{picture.name[:-4]}.xml", voc_xml(picture, ""))


def labelme(root, folder_of=lambda picture: ""):
    for picture in PICTURES:
        folder = root / folder_of(picture)
        save_image(folder, picture)
        shapes = []
        for thing in picture.things:
            shape = {"label": thing.name, "group_id": None, "flags": {}, "description": ""}
            shapes.append(
                {**shape, "points": [list(p) for p in thing.points], "shape_type": "polygon"}
            )
        shapes.append(
            {"label": "mark", "points": [[3.0, 3.0]], "shape_type": "point", "group_id": None}
        )
        content = {
            "version": "5.4.1",
            "flags": {},
            "shapes": shapes,
            "imagePath": picture.name,
            "imageData": None,
            "imageHeight": SIZE_HW[0],
            "imageWidth": SIZE_HW[1],
        }
        text(folder / f"{picture.name[:-4]}.json", json.dumps(content))


def labelme_splits(root):
    labelme(root, lambda picture: picture.split)


def supervisely(root):
    classes = [{"title": name, "shape": "any", "color": "#ff0000"} for name in NAMES]
    text(root / "meta.json", json.dumps({"classes": classes, "tags": [], "projectType": "images"}))
    text(root / "obj_class_to_machine_color.json", "{}")
    for picture in PICTURES:
        folder = root / picture.split
        save_image(folder / "img", picture)
        objects = []
        for thing in picture.things:
            common = {"classTitle": thing.name, "tags": [], "description": ""}
            if thing.name == "person":
                points = {"exterior": [list(p) for p in thing.points], "interior": []}
                objects.append({**common, "geometryType": "polygon", "points": points})
            else:
                x0, y0, x1, y1 = thing.box
                png = cv2.imencode(".png", np.full((y1 - y0, x1 - x0), 255, np.uint8))[1].tobytes()
                data = base64.b64encode(zlib.compress(png)).decode()
                bitmap = {"data": data, "origin": [x0, y0]}
                objects.append({**common, "geometryType": "bitmap", "bitmap": bitmap})
        content = {
            "description": "",
            "tags": [],
            "size": {"height": SIZE_HW[0], "width": SIZE_HW[1]},
            "objects": objects,
        }
        text(folder / "ann" / f"{picture.name}.json", json.dumps(content))


def reference_list(root):
    samples = []
    for picture in PICTURES:
        save_image(root / "images", picture)
        stem = picture.name[:-4]
        save_mask(root / "masks" / f"{stem}.png", picture, (2, 3))
        lines = [f"{t.name},{','.join(map(str, t.box))}" for t in picture.things]
        text(root / "boxes" / f"{stem}.csv", "\n".join(["label,xmin,ymin,xmax,ymax", *lines]))
        samples.append(
            {
                "image": f"images/{picture.name}",
                "mask": f"masks/{stem}.png",
                "boxes": f"boxes/{stem}.csv",
            }
        )
    text(root / "samples.json", json.dumps(samples))


def semantic(root):
    for picture in PICTURES:
        save_image(root / "images", picture)
        save_mask(root / "masks" / f"{picture.name[:-4]}.png", picture)
    text(root / "classes.txt", "background\nperson\nforklift\n")


def semantic_palette(root):
    from PIL import Image

    semantic(root)
    for path in (root / "masks").iterdir():
        mask = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        image = Image.fromarray(mask, "P")
        image.putpalette([0, 0, 0, 220, 20, 60, 0, 0, 142])
        image.save(path, bits=2)


def semantic_splits(root):
    for picture in PICTURES:
        save_image(root / picture.split / "images", picture)
        save_mask(root / picture.split / "masks" / f"{picture.name[:-4]}.png", picture)
    text(root / "classes.txt", "background\nperson\nforklift\n")


@dataclass(frozen=True)
class Layout:
    """How a writer's data set is to be read.

    Attributes:
        write: fills a folder.
        splits: the names that are found.
        boxes: whether objects have boxes.
        outlines: whether pixels are labelled.
    """

    write: object
    splits: tuple = ()
    boxes: bool = True
    outlines: bool = True


TRAIN_VAL = ("train", "val")
LAYOUTS = {
    "own COCO": Layout(own_coco),
    "COCO run lengths": Layout(coco_runs),
    "COCO compressed run lengths": Layout(coco_compressed_runs),
    "Roboflow COCO": Layout(roboflow_coco, ("train", "valid")),
    "official COCO": Layout(official_coco, ("train2017", "val2017")),
    "official COCO, images/": Layout(official_coco_images, ("train2017", "val2017")),
    "CVAT COCO": Layout(cvat_coco, ("default",)),
    "Label Studio COCO": Layout(label_studio_coco),
    "FiftyOne COCO": Layout(fiftyone_coco),
    "plain YOLO": Layout(plain_yolo, outlines=False),
    "Roboflow YOLO outlines": Layout(roboflow_yolo, TRAIN_VAL),
    "Roboflow YOLO boxes": Layout(roboflow_yolo_boxes, TRAIN_VAL, outlines=False),
    "Ultralytics": Layout(ultralytics, TRAIN_VAL),
    "Ultralytics lists": Layout(ultralytics_lists, TRAIN_VAL),
    "CVAT Ultralytics": Layout(cvat_ultralytics, TRAIN_VAL),
    "CVAT YOLO 1.1": Layout(cvat_yolo, ("train",), outlines=False),
    "Label Studio YOLO": Layout(label_studio_yolo, outlines=False),
    "CVAT images": Layout(cvat_images),
    "CVAT images, groups": Layout(cvat_groups),
    "VOC in one folder": Layout(voc_one_folder, outlines=False),
    "VOC in two folders": Layout(voc_two_folders, outlines=False),
    "VOC in three folders": Layout(voc_three_folders, TRAIN_VAL, outlines=False),
    "Roboflow VOC": Layout(roboflow_voc, ("train", "valid"), outlines=False),
    "LabelMe": Layout(labelme),
    "LabelMe splits": Layout(labelme_splits, TRAIN_VAL),
    "Supervisely": Layout(supervisely, TRAIN_VAL),
    "reference list": Layout(reference_list),
    "semantic": Layout(semantic, boxes=False),
    "semantic palette": Layout(semantic_palette, boxes=False),
    "semantic splits": Layout(semantic_splits, TRAIN_VAL, boxes=False),
}
