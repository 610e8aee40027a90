"""tools/pictures/: which pictures are made, what is said where a tool is missing, and the browser."""

import re
import sys

import numpy as np
import pytest

from mtv_perception.demo.pictures import with_caption
from mtv_perception.labels import WAREHOUSE
from mtv_perception.resources import SOURCE_ROOT

sys.path.insert(0, str(SOURCE_ROOT / "tools" / "pictures"))
import browser
import doc_pictures

# Drawn by `mtv card` from data sets.
CARD = SOURCE_ROOT / "docs" / "images" / "warehouse"
PAGES = [SOURCE_ROOT / "README.md", *sorted((SOURCE_ROOT / "docs").rglob("*.md"))]
RED, BLUE = (255, 0, 0), (0, 0, 255)


def shown_pictures():
    """Every picture of our own that a page shows, with the page."""
    for page in PAGES:
        for target in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
            if "://" not in target:
                yield (page.parent / target).resolve(), page.name


@pytest.mark.parametrize(("picture", "page"), list(shown_pictures()))
def test_one_command_makes_every_picture_that_a_page_shows(picture, page):
    made = {SOURCE_ROOT / path for part in doc_pictures.PARTS.values() for path in part.pictures}

    assert picture in made or picture.is_relative_to(CARD)


@pytest.mark.parametrize("name", sorted(doc_pictures.PARTS))
def test_a_part_names_pictures_that_are_there(name):
    missing = [p for p in doc_pictures.PARTS[name].pictures if not (SOURCE_ROOT / p).is_file()]

    assert missing == []


@pytest.mark.parametrize("folder", ["docs/images", "docs/media"])
def test_no_picture_lies_about_that_nothing_makes(folder):
    made = {path for part in doc_pictures.PARTS.values() for path in part.pictures}
    there = {f"{folder}/{path.name}" for path in (SOURCE_ROOT / folder).glob("*.jpg")}

    assert there - made == set()


@pytest.mark.parametrize("part", ["compare", "web_view"])
def test_without_a_browser_the_last_lines_name_the_part_and_the_remedy(part, tmp_path, capsys):
    picture = SOURCE_ROOT / doc_pictures.PARTS[part].pictures[0]
    before = picture.read_bytes()

    status = doc_pictures.main(
        ["--only", part, "--browser", "no-such-browser", "--out", str(tmp_path)]
    )

    last = capsys.readouterr().out.splitlines()[-1]
    assert status == 1
    assert f"{part} NOT made" in last
    assert "'no-such-browser'" in last and "apt-get install" in last
    assert picture.read_bytes() == before


def test_a_part_that_fails_does_not_stop_the_next(monkeypatch, tmp_path):
    made = []

    def fail(order):
        raise RuntimeError("broken")

    parts = {
        "first": doc_pictures.Part(fail, ()),
        "second": doc_pictures.Part(made.append, ()),
    }
    monkeypatch.setattr(doc_pictures, "PARTS", parts)
    order = doc_pictures.Order("warehouse", "", tmp_path)

    assert doc_pictures.make(list(parts), order) == {"first": "broken"}
    assert made == [order]


def program(folder, name, text="#!/bin/sh\nexit 3\n"):
    path = folder / name
    path.write_text(text)
    path.chmod(0o755)
    return str(path)


def test_the_first_browser_of_the_list_is_taken(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(browser.ToolMissing, match="chromium-headless-shell"):
        browser.find_browser()

    program(tmp_path, browser.NAMES[-1])
    first = program(tmp_path, browser.NAMES[1])

    assert browser.find_browser() == first
    assert browser.find_browser(browser.NAMES[-1]).endswith(browser.NAMES[-1])


def test_a_browser_that_ends_is_named(tmp_path):
    path = program(tmp_path, "broken-browser")

    with (
        pytest.raises(browser.PageError, match=r"broken-browser has ended"),
        browser.Browser(path, tmp_path / "profile", (100, 100)),
    ):
        pass


@pytest.fixture
def chromium():
    try:
        return browser.find_browser()
    except browser.ToolMissing as error:
        pytest.skip(str(error))


def test_a_picture_shows_the_page_as_its_script_has_changed_it(chromium, tmp_path):
    page = tmp_path / "page.html"
    script = "setTimeout(() => { document.body.style.background = 'rgb(0, 0, 255)' }, 200)"
    page.write_text(f"<body style='background: rgb(255, 0, 0)'><script>{script}</script>")

    with browser.Browser(chromium, tmp_path / "profile", (120, 80)) as opened:
        opened.open(page.as_uri())
        opened.wait_for("document.body.style.background === 'rgb(0, 0, 255)'")
        picture = opened.picture()

    assert picture.shape == (80, 120, 3)
    assert (picture == BLUE).all()


@pytest.mark.parametrize(
    ("expression", "found"), [("1 > 2", "false"), ("nothing.there", "Uncaught")]
)
def test_what_never_comes_true_is_an_error_that_says_what_was_found(
    expression, found, chromium, tmp_path
):
    with (
        browser.Browser(chromium, tmp_path / "profile", (50, 50)) as opened,
        pytest.raises(browser.PageError, match=f"Expected '{expression}' .* found {found}"),
    ):
        opened.wait_for(expression, timeout_s=0.5)


def test_a_page_that_is_not_there_is_an_error(chromium, tmp_path):
    with (
        browser.Browser(chromium, tmp_path / "profile", (50, 50)) as opened,
        pytest.raises(browser.PageError, match="nowhere"),
    ):
        opened.open((tmp_path / "nowhere.html").as_uri())


def test_the_masks_with_most_classes_are_shown_in_their_order():
    def mask(**pixels):
        image = np.zeros((10, 10), np.uint8)
        flat = np.concatenate([[WAREHOUSE.id_of(n)] * k for n, k in pixels.items()] or [[]])
        image.ravel()[: len(flat)] = flat
        return image

    masks = [
        mask(person=50),
        mask(person=40, forklift=30, rail=2),
        mask(),
        mask(person=9, forklift=9),
        mask(person=9, forklift=9, rail=9),
    ]

    assert doc_pictures.most_telling(masks, 1) == [4]
    assert doc_pictures.most_telling(masks, 3) == [1, 3, 4]


@pytest.mark.parametrize("name", WAREHOUSE.foreground)
def test_labels_are_drawn_in_the_colours_of_the_palette(name):
    mask = np.zeros((200, 200), np.uint8)
    mask[100:, 100:] = WAREHOUSE.id_of(name)
    grey = np.full((200, 200, 3), 128, np.uint8)

    drawn = doc_pictures.draw_labels(grey, mask).astype(int)

    # The tint goes from the image's grey towards the colour.
    shift = drawn[150, 150] - 128
    assert (
        np.sign(shift) == np.sign(np.array(WAREHOUSE.colour(WAREHOUSE.id_of(name))) - 128)
    ).all()
    assert (drawn[150, 20] == 128).all()


@pytest.mark.parametrize("text", ["short", "a caption far longer than the picture is wide " * 4])
def test_a_caption_stands_below_the_picture_and_within_its_width(text):
    picture = np.full((40, 300, 3), RED, np.uint8)

    whole = with_caption(picture, text)
    strip = whole[40:]

    assert (whole[:40] == RED).all()
    assert strip.min() < 128
    assert (strip[:, -4:] == 255).all() and (strip[:, :4] == 255).all()


def test_the_address_is_read_from_the_log():
    log = "[INFO] [1.0] [web_view]: http://127.0.0.1:43121/\n[INFO] ready"

    assert doc_pictures.page_address(log) == "http://127.0.0.1:43121/"
