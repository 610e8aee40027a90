"""The demo's page: what the product does and what happens when the camera fails, in two minutes."""

from __future__ import annotations

import html
import math
from datetime import datetime
from pathlib import Path
from typing import Any

from mtv_perception.demo.photographs import CREDIT, FILE

# Of the zones: the default of the zones file.
_DEADLINE_MS = 500.0

_STYLE = """
html { font-size: clamp(17px, 6px + 1.15vmin, 60px) }
body { font: 1rem/1.55 system-ui, sans-serif; color: #1e1e1e; background: #fafaf8; margin: 0 }
main { max-width: 68rem; margin: 0 auto; padding: clamp(1rem, 4vw, 1.5rem) }
h1 { font-size: 2rem; line-height: 1.2; margin: .5rem 0 } h2 { margin: 2.5rem 0 .5rem }
p.lead { font-size: 1.2rem; max-width: 46rem } p { max-width: 46rem }
video, img { width: 100%; height: auto; border-radius: 6px; background: #ddd }
figure { margin: 1rem 0 } figcaption { color: #555; font-size: .9rem }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); gap: 1rem }
.figures { margin: 1.5rem 0; padding: 0; list-style: none }
.figures li { background: #fff; border: 1px solid #ddd; border-radius: 6px; padding: .8rem 1rem }
.figures b { display: block; font-size: 1.6rem }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(24rem, 100%), 1fr)); gap: 1rem }
.key span { display: inline-block; width: .9em; height: .9em; border-radius: 2px; margin: 0 .3em 0 .9em }
"""


def write_page(out: Path, summary: dict[str, Any]) -> Path:
    """Write `index.html` beside the videos and pictures."""
    hall, people = summary["hall"], summary.get("people")
    parts = [
        _head(hall),
        _warning(hall),
        _figures(hall),
        _drive(hall),
        _cut(hall),
        _moments(out),
        _measured(hall),
    ]
    if people:
        parts.append(_people(people))
    if summary.get("photographs"):
        parts.append(_photographs())
    parts.append(_limits())
    text = (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>mtv_perception demo</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_STYLE}</style></head><body><main>{''.join(parts)}</main></body></html>\n"
    )
    page = out / "index.html"
    page.write_text(text, encoding="utf-8")
    return page


def _head(hall: dict[str, Any]) -> str:
    return (
        "<h1>What the camera sees</h1>"
        '<p class="lead">One network looks at one camera image. It finds people, forklifts and rails, says where '
        "they stand on the floor in metres, and says for each zone in front of the robot: <b>free</b>, "
        "<b>occupied</b> or <b>unknown</b>. When the camera fails, every zone becomes unknown.</p>"
        f"<p>Model: <code>{html.escape(hall['model'])}</code>. Everything below was computed on this machine on "
        f"{datetime.now():%Y-%m-%d at %H:%M}, by ROS 2 nodes in processes of their own.</p>"
    )


def _warning(hall: dict[str, Any]) -> str:
    """A machine whose results are later than the zones' deadline shows that they are unknown, not more."""
    late = hall["latency_ms"]["p50"]
    if late is None or late < _DEADLINE_MS:
        return ""
    return (
        f"<p><b>This machine was too busy:</b> half of the results came after {_ms(late)} or more. Zones are unknown "
        "when a result is older than 0.5 s, so most of this drive shows unknown zones.</p>"
    )


def _figures(hall: dict[str, Any]) -> str:
    items = [
        (_ms(hall["latency_ms"]["p50"]), "from image to result, median"),
        (
            _ms(hall["answered_ms"]["p50"]),
            "from an entry until the zone is occupied, median of the "
            f"{hall['entries_answered']} of {sum(hall['entries'].values())} entries that were answered",
        ),
        (str(sum(hall["free_while_inside"].values())), "times “free” while somebody was inside"),
        (_ms(hall["unknown_after_ms"]), "without camera until zones are unknown"),
        (_ms(hall["known_again_after_ms"]), "after its return until they are known again"),
    ]
    cells = "".join(f"<li><b>{value}</b>{html.escape(text)}</li>" for value, text in items)
    return f'<ul class="figures">{cells}</ul>'


def _drive(hall: dict[str, Any]) -> str:
    return (
        "<h2>1. A drive through a hall</h2>"
        "<p>The robot drives along an aisle. People walk, one steps out from behind a rack, a forklift crosses. "
        "Left: the camera with what the network found, and the zones on the floor. Right: the same from above. "
        "Filled dots are measured, with their 2σ ellipse; grey outlines are the truth.</p>"
        '<figure><video src="hall.mp4" controls muted loop playsinline preload="metadata"></video>'
        '<figcaption class="key">Zones:<span style="background:#009e73"></span>free'
        '<span style="background:#d55e00"></span>occupied<span style="background:#f0e442"></span>unknown. '
        "The hall is rendered, so that the truth is known. The network was trained on other drives of the same "
        "renderer, not on this one.</figcaption></figure>"
        f"<p>{_yellow(hall)}</p>"
    )


def _yellow(hall: dict[str, Any]) -> str:
    zone, share = max(hall["unknown_share"].items(), key=lambda item: item[1])
    return (
        "Yellow is no error. Either somebody stands in the zone's direction with hidden feet, or somebody near hides "
        f"the floor behind. The zone can then not be called free. Zone {html.escape(zone)} was unknown most often, in "
        f"{share:.0%} of the results."
    )


def _cut(hall: dict[str, Any]) -> str:
    reason = html.escape(str(hall["reason"]) or "no image")
    again = hall["known_again_after_ms"]
    back = (
        f"The camera comes back, and {_ms(again)} after its first image the zones are known again."
        if math.isfinite(again)
        else "The camera came back, but the zones did not become known again."
    )
    return (
        "<h2>2. The camera is cut off</h2>"
        "<p>At the end of the drive the camera's process is killed, as if its cable was pulled. Nothing is guessed and "
        f"no old result is repeated: after {_ms(hall['unknown_after_ms'])} every zone is unknown, with the reason "
        f"“{reason}”. A robot treats unknown as occupied. "
        f"{back}</p>"
        '<figure><a href="timeline.jpg"><img src="timeline.jpg" alt="states of the zones over time"></a>'
        "<figcaption>Colour: what the zones node said. Black bars above: somebody truly was inside."
        "</figcaption></figure>"
    )


def _moments(out: Path) -> str:
    names = {
        "person": "A person in front of the robot.",
        "forklift": "A forklift crosses.",
        "cut": "The camera is cut off: unknown.",
        "again": "It comes back, and the zones are known again.",
    }
    shown = [
        f'<figure><a href="{name}.jpg"><img src="{name}.jpg" alt="{text}"></a><figcaption>{text}</figcaption></figure>'
        for name, text in names.items()
        if (out / f"{name}.jpg").is_file()
    ]
    return f'<div class="pair">{"".join(shown)}</div>' if shown else ""


def _measured(hall: dict[str, Any]) -> str:
    error, entries = hall["distance_error_cm"], sum(hall["entries"].values())
    answered = hall["entries_answered"]
    silent = entries - answered
    rest = f" In {silent} of them the zone was never occupied." if silent else ""
    outline = "the true object's outline"
    half = f"inside {outline}" if error["p50"] == 0 else f"within {_cm(error['p50'])} of {outline}"
    return (
        "<h2>3. In metres</h2>"
        f"<p>{hall['measured_objects']} positions of people and forklifts were measured by the floor alone, without "
        f"depth. Half of them lie {half}, 95 % within {_cm(error['p95'])} of it. Zones were entered {entries} times; "
        f"{answered} times the zone was occupied before it was empty again, at the latest after "
        f"{_ms(hall['answered_ms']['max'])} (0 ms: the zone was already occupied, because of its margin).{rest} "
        f"{hall['results']} of {hall['images']} images were processed.</p>"
    )


def _people(people: dict[str, Any]) -> str:
    return (
        "<h2>4. Real people</h2>"
        "<p>The same nodes with a real clip. Rendered scenes show what is true; real ones show what works.</p>"
        '<figure><video src="people/overlay.mp4" controls muted loop playsinline preload="metadata"></video>'
        f"<figcaption>{people['frames_processed']} of {people['frames_published']} images, "
        f"{people['detections']} detections.</figcaption></figure>"
    )


def _photographs() -> str:
    return (
        "<h2>5. Real forklifts</h2>"
        "<p>Photographs of other warehouses that the model was not trained on. What is missed or wrong stays in.</p>"
        f'<figure><a href="{FILE}"><img src="{FILE}" alt="forklifts and people with boxes"></a>'
        f"<figcaption>{CREDIT}</figcaption></figure>"
    )


def _limits() -> str:
    return (
        "<h2>What this is not</h2>"
        "<p>This is no safety-rated function: it may miss people. It measures where feet and wheels meet the floor, "
        "so it needs a calibrated camera. Goods and racks are not recognised; what the network does not know looks "
        "free. Next: <code>docs/tutorials/first-robot.md</code>.</p>"
    )


def _ms(value: float | None) -> str:
    if value is None or not math.isfinite(value):
        return "never"
    return f"{value:.0f} ms" if value < 10_000 else f"{value / 1000:.1f} s"


def _cm(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f} cm"
