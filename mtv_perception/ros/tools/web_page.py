"""The page of the web view: nothing from elsewhere, no framework, works without a network.

On a phone and on a wall.
"""

PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>mtv_perception</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
:root { font-size: clamp(16px, 5px + 1.5vmin, 72px); --ratio: 1.3333; --wide: calc(100vw - 2rem) }
* { box-sizing: border-box }
body { font: 1rem/1.4 system-ui, sans-serif; margin: 0; padding: 1rem; background: #111; color: #ddd }
header { display: flex; flex-wrap: wrap; gap: .3rem 1.2rem; align-items: baseline; margin-bottom: .8rem }
h1 { font-size: 1.25rem; margin: 0; font-weight: 600; overflow-wrap: anywhere }
h2 { font-size: .85rem; margin: .7rem 0 .25rem; color: #999; font-weight: 500 }
main { display: grid; gap: 1rem; grid-template-columns: minmax(0, 1fr) }
img, canvas { display: block; background: #000; border-radius: 6px }
img { width: var(--wide); aspect-ratio: var(--ratio); object-fit: contain }
img.old { object-position: -200vw 0 }
canvas { width: 100% }
#above { aspect-ratio: 1; max-height: 80vh } #chart { height: 4.5rem }
#zones { display: flex; flex-wrap: wrap; gap: .4rem; padding: 0; margin: 0; list-style: none }
#zones li { flex: 1 1 9rem; padding: .3rem .7rem; border-radius: 6px; color: #111; font-weight: 600 }
#zones li small { font-weight: 400; display: block; overflow-wrap: anywhere }
.free { background: #009e73 } .occupied { background: #d55e00 } .unknown { background: #f0e442 }
#counts { margin: 0; font-size: 1.1rem }
#counters { display: grid; grid-template-columns: repeat(auto-fill, minmax(10.4em, 1fr)); gap: .1rem .8rem }
#counters { font-size: .85rem; margin: 0 }
#counters div { display: flex; justify-content: space-between; gap: .5em; white-space: nowrap }
dt { color: #999 } dd { margin: 0 }
#state.bad { color: #e69f00 } #state.good { color: #56b4e9 } #fps:empty { display: none }
/* Beside each other, all within the window; only the panel scrolls, where it can't be avoided. */
@media (min-width: 600px) and (min-aspect-ratio: 11/10) {
  :root { --room: calc(100vh - 4.8rem) }
  :root { --wide: min(max(100vw - 23rem, 52vw), var(--room) * var(--ratio)) }
  @supports (height: 1dvh) { :root { --room: calc(100dvh - 4.8rem) } }
  header { height: 2rem; flex-wrap: nowrap; white-space: nowrap; overflow: hidden }
  h1 { overflow: hidden; text-overflow: ellipsis }
  main { grid-template-columns: auto minmax(0, 1fr); align-items: start }
  section { display: flex; flex-direction: column; height: var(--room); overflow-y: auto }
  section > * { flex: none }
  #above { flex: 1 0 12rem; aspect-ratio: auto; max-height: none; height: 12rem }
}
</style></head><body>
<header><h1 id="title">mtv_perception</h1><span id="state">connecting</span><span id="fps"></span></header>
<main>
<img id="picture" alt="camera image with detections">
<section>
<ul id="zones"></ul>
<h2>In the image</h2><p id="counts">-</p>
<h2>From above (m)</h2><canvas id="above"></canvas>
<h2>Latency (ms): from stamp (blue), network (orange)</h2>
<canvas id="chart"></canvas>
<h2>Images and latency (ms)</h2><dl id="counters"></dl>
</section>
</main>
<script>
"use strict";
const NAMES = ["received", "processed", "dropped", "stale", "failed", "detections"];
const OLD = 1.0, REACH = 9, SIDE = 4.5;
/* A lost connection gives no error. After this time (ms) without an answer the page shows nothing. */
const PATIENCE = 2000;
const CELLS = {f: "#173a30", r: "#8a6d1a", o: "#a03c10"};
const KINDS = {person: "#d55e00", forklift: "#0072b2"};
const get = (id) => document.getElementById(id);
const recent = (part) => part && part.age_s < OLD ? part.content : null;
function counters(status) {
  const add = (name, text) => {
    const row = document.createElement("div"), term = document.createElement("dt");
    const value = document.createElement("dd");
    term.textContent = name; value.textContent = text;
    row.append(term, value); get("counters").append(row);
  };
  get("counters").replaceChildren();
  for (const name of NAMES) add(name, String(status[name]));
  for (const name of ["p50", "p95", "p99"]) {
    const value = status.latency_ms[name];
    add(name, value === null ? "-" : value.toFixed(1));
  }
}
/* As many pixels as the screen shows; `em` is the page's text size in them. */
function sheet(id) {
  const canvas = get(id), context = canvas.getContext("2d"), dense = window.devicePixelRatio || 1;
  canvas.width = Math.round(canvas.clientWidth * dense);
  canvas.height = Math.round(canvas.clientHeight * dense);
  const em = dense * parseFloat(getComputedStyle(document.documentElement).fontSize);
  context.font = .8 * em + "px sans-serif";
  return {context, em, width: canvas.width, height: canvas.height};
}
function zones(part) {
  const list = get("zones");
  list.replaceChildren();
  if (!part) return;
  const old = part.age_s >= OLD;
  for (const zone of part.content) {
    const item = document.createElement("li"), state = old ? "unknown" : zone.state;
    item.className = state;
    item.textContent = zone.name + ": " + state;
    const why = old ? "no message for " + part.age_s.toFixed(0) + " s" : zone.reason;
    if (state === "unknown" && why) {
      const small = document.createElement("small");
      small.textContent = why;
      item.append(small);
    }
    list.append(item);
  }
}
function counts(part, silent) {
  const found = silent ? null : recent(part);
  const words = found ? Object.entries(found).map(([name, n]) => n + " " + name) : ["-"];
  get("counts").textContent = words.length ? words.join(", ") : "nothing found";
}
/* Readable on any colour. */
function label(context, text, x, y) {
  context.strokeStyle = "#000"; context.strokeText(text, x, y); context.fillText(text, x, y);
}
function above(status) {
  const {context, em, width, height} = sheet("above");
  const scale = Math.min(height / (REACH + .8), width / (2 * SIDE));
  const px = (x, y) => [width / 2 - y * scale, height - (x + .6) * scale];
  const floor = recent(status.floor);
  if (floor) {
    const step = floor.resolution, edge = step * scale + 1;
    for (let k = 0; k < floor.cells.length; ++k) {
      const colour = CELLS[floor.cells[k]];
      if (!colour) continue;
      const [a, b] = px(floor.x + (k % floor.width + 1) * step, floor.y + (Math.floor(k / floor.width) + 1) * step);
      context.fillStyle = colour; context.fillRect(a, b, edge, edge);
    }
  }
  context.strokeStyle = "#333"; context.fillStyle = "#999"; context.lineWidth = em / 16;
  for (let metres = 2; metres < REACH; metres += 2) {
    const level = px(metres, 0)[1];
    context.beginPath(); context.moveTo(1.5 * em, level); context.lineTo(width, level); context.stroke();
    context.fillText(String(metres), .4 * em, level + .3 * em);
  }
  context.lineWidth = em / 7;
  for (const outline of recent(status.outlines) || []) {
    context.strokeStyle = "rgb(" + outline.colour.join(",") + ")";
    context.beginPath();
    outline.corners.forEach((c, k) => k ? context.lineTo(...px(...c)) : context.moveTo(...px(...c)));
    context.closePath(); context.stroke();
  }
  let beyond = 0;
  for (const item of recent(status.objects) || []) {
    const [x, y] = px(item.x, item.y);
    if (x < 0 || x > width || y < .6 * em || y > height) { ++beyond; continue; }
    context.fillStyle = KINDS[item.class] || "#fff";
    context.beginPath(); context.arc(x, y, .45 * em, 0, 7); context.fill();
    const text = item.class + " " + item.id + " " + Math.hypot(item.x, item.y).toFixed(1) + " m";
    const long = context.measureText(text).width, right = x + .7 * em + long < width;
    context.fillStyle = "#eee";
    label(context, text, right ? x + .7 * em : Math.max(0, x - .7 * em - long), y + .3 * em);
  }
  context.fillStyle = "#999"; context.textAlign = "right";
  if (beyond) label(context, beyond + " beyond this map", width - .4 * em, height - .5 * em);
  const [rx, ry] = px(.3, .25);
  context.fillStyle = "#ddd"; context.fillRect(rx, ry, .5 * scale, .6 * scale);
}
function chart(series) {
  const {context, em, width, height} = sheet("chart");
  const all = series.total.concat(series.network);
  if (!all.length) return;
  const top = Math.max(10, ...all);
  const line = (values, colour) => {
    context.strokeStyle = colour; context.lineWidth = em / 8; context.beginPath();
    values.forEach((value, index) => {
      const x = values.length > 1 ? index * (width - 1) / (values.length - 1) : 0;
      const y = height - em / 8 - Math.min(1, value / top) * (height - 1.4 * em);
      if (index) context.lineTo(x, y); else context.moveTo(x, y);
    });
    context.stroke();
  };
  context.fillStyle = "#999"; context.fillText(top.toFixed(0) + " ms", .4 * em, em);
  line(series.total, "#56b4e9");
  line(series.network, "#e69f00");
}
/* A browser keeps the last picture of a stream that ended, and opens no other stream by itself. */
let stream = "", asked = 0;
function picture(part) {
  const image = get("picture"), live = part && part.sent;
  const late = part && (part.age_s === null || part.age_s * 1000 > PATIENCE);
  image.className = live && !late ? "" : "old";
  if (part && (!stream || (!live && performance.now() - asked > PATIENCE))) {
    stream = Math.random().toString(36).slice(2); asked = performance.now();
    image.src = "/stream.mjpg?" + stream;
  }
  return image.className ? "no picture" : "";
}
function shape() {
  const {naturalWidth: width, naturalHeight: height} = get("picture");
  if (width && height) document.documentElement.style.setProperty("--ratio", width / height);
}
async function refresh() {
  const state = get("state");
  try {
    const limit = AbortSignal.timeout(PATIENCE), url = "/status.json?" + stream;
    const status = await (await fetch(url, {cache: "no-store", signal: limit})).json();
    const silent = status.age_s === null ? "no result yet"
      : status.age_s > 2 ? "no result for " + status.age_s.toFixed(0) + " s" : "";
    const blind = picture(status.picture);
    state.textContent = silent || blind || "running";
    state.className = silent || blind ? "bad" : "good";
    get("title").textContent = status.model_id || "mtv_perception";
    document.title = (silent ? "! " : "") + (status.model_id || "mtv_perception");
    get("fps").textContent = silent ? "" : status.fps.toFixed(1) + " results/s";
    shape(); zones(status.zones); counts(status.counts, silent); above(status); counters(status); chart(status.series);
  } catch (error) {
    state.textContent = "the node does not answer";
    state.className = "bad";
    document.title = "! mtv_perception";
    get("fps").textContent = "";
    zones(null); counts(null, true); above({}); picture(null);
  }
  setTimeout(refresh, 500);
}
refresh();
</script>
</body></html>
"""
