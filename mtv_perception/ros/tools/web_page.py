"""The page of the web view: nothing from elsewhere, no framework, works without a network.

On a phone and on a wall.
"""

PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>mtv_perception</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
:root { font-size: clamp(15px, .55vw + 10px, 34px) }
* { box-sizing: border-box }
body { font: 1rem/1.4 system-ui, sans-serif; margin: 0; padding: 1rem; background: #111; color: #ddd }
header { display: flex; flex-wrap: wrap; gap: .3rem 1.2rem; align-items: baseline; margin-bottom: .8rem }
h1 { font-size: 1.25rem; margin: 0; font-weight: 600 }
h2 { font-size: .85rem; margin: 1rem 0 .3rem; color: #999; font-weight: 500 }
main { display: grid; gap: 1rem; grid-template-columns: minmax(0, 2.2fr) minmax(16rem, 1fr); align-items: start }
@media (max-width: 60rem) { main { grid-template-columns: minmax(0, 1fr) } }
img, canvas { display: block; width: 100%; background: #000; border-radius: 6px }
img { aspect-ratio: 4 / 3; object-fit: contain }
@media (min-width: 60rem) { img { max-height: calc(100vh - 5rem) } }
#zones { display: flex; flex-wrap: wrap; gap: .4rem; padding: 0; margin: 0; list-style: none }
#zones li { padding: .3rem .7rem; border-radius: 6px; color: #111; font-weight: 600 }
#zones li small { font-weight: 400; display: block; max-width: 22rem; overflow-wrap: anywhere }
.free { background: #009e73 } .occupied { background: #d55e00 } .unknown { background: #f0e442 }
#counts { margin: 0; font-size: 1.1rem }
table { border-collapse: collapse; width: 100% } td { padding: .1em .8em .1em 0; overflow-wrap: anywhere }
td + td { text-align: right } .quiet { color: #888 }
#state.bad { color: #e69f00 } #state.good { color: #56b4e9 }
</style></head><body>
<header><h1 id="title">mtv_perception</h1><span id="state">connecting</span><span id="fps"></span></header>
<main>
<img id="picture" alt="camera image with detections" src="/stream.mjpg">
<section>
<ul id="zones"></ul>
<h2>In the image</h2><p id="counts">-</p>
<h2>From above (m)</h2><canvas id="above" width="640" height="640"></canvas>
<h2>Latency (ms): stamp to publication (blue), network (orange)</h2>
<canvas id="chart" width="640" height="160"></canvas>
<h2>Images</h2><table id="counters"></table>
</section>
</main>
<script>
"use strict";
const NAMES = ["received", "processed", "dropped", "stale", "failed", "detections"];
const OLD = 1.0, REACH = 9, SIDE = 4.5;
const CELLS = {f: "#173a30", r: "#8a6d1a", o: "#a03c10"};
const KINDS = {person: "#d55e00", forklift: "#0072b2"};
const get = (id) => document.getElementById(id);
const recent = (part) => part && part.age_s < OLD ? part.content : null;
function cell(row, text) { row.insertCell().textContent = text; }
function counters(status) {
  const table = get("counters");
  table.replaceChildren();
  const add = (name, text) => { const row = table.insertRow(); cell(row, name); cell(row, text); };
  add("model", status.model_id);
  for (const name of NAMES) add(name, String(status[name]));
  for (const name of ["p50", "p95", "p99"]) {
    const value = status.latency_ms[name];
    add(name, value === null ? "-" : value.toFixed(1) + " ms");
  }
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
function above(status) {
  const context = get("above").getContext("2d"), size = context.canvas.width;
  const scale = size / (REACH + .8), px = (x, y) => [size / 2 - y * scale, size - (x + .6) * scale];
  context.clearRect(0, 0, size, size);
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
  context.strokeStyle = "#333"; context.fillStyle = "#777"; context.font = "15px sans-serif";
  for (let metres = 2; metres < REACH; metres += 2) {
    const [x0, y0] = px(metres, SIDE), [x1] = px(metres, -SIDE);
    context.beginPath(); context.moveTo(x0, y0); context.lineTo(x1, y0); context.stroke();
    context.fillText(String(metres), 4, y0 - 4);
  }
  for (const outline of recent(status.outlines) || []) {
    context.strokeStyle = "rgb(" + outline.colour.join(",") + ")"; context.lineWidth = 3;
    context.beginPath();
    outline.corners.forEach((c, k) => k ? context.lineTo(...px(...c)) : context.moveTo(...px(...c)));
    context.closePath(); context.stroke();
  }
  context.lineWidth = 1;
  for (const item of recent(status.objects) || []) {
    const [x, y] = px(item.x, item.y);
    context.fillStyle = KINDS[item.class] || "#fff";
    context.beginPath(); context.arc(x, y, 8, 0, 7); context.fill();
    context.fillStyle = "#eee";
    context.fillText(item.class + " " + item.id + " " + Math.hypot(item.x, item.y).toFixed(1) + " m", x + 12, y + 5);
  }
  const [rx, ry] = px(.3, .25);
  context.fillStyle = "#ddd"; context.fillRect(rx, ry, .5 * scale, .6 * scale);
}
function line(context, values, top, colour) {
  const canvas = context.canvas;
  context.strokeStyle = colour; context.lineWidth = 2; context.beginPath();
  values.forEach((value, index) => {
    const x = values.length > 1 ? index * (canvas.width - 1) / (values.length - 1) : 0;
    const y = canvas.height - 2 - Math.min(1, value / top) * (canvas.height - 20);
    if (index) context.lineTo(x, y); else context.moveTo(x, y);
  });
  context.stroke();
}
function chart(series) {
  const context = get("chart").getContext("2d");
  context.clearRect(0, 0, context.canvas.width, context.canvas.height);
  const all = series.total.concat(series.network);
  if (!all.length) return;
  const top = Math.max(10, ...all);
  context.fillStyle = "#999"; context.font = "15px sans-serif"; context.fillText(top.toFixed(0) + " ms", 4, 16);
  line(context, series.total, top, "#56b4e9");
  line(context, series.network, top, "#e69f00");
}
async function refresh() {
  const state = get("state");
  try {
    const status = await (await fetch("/status.json", {cache: "no-store"})).json();
    const silent = status.age_s === null ? "no result yet"
      : status.age_s > 2 ? "no result for " + status.age_s.toFixed(0) + " s" : "";
    state.textContent = silent || "running";
    state.className = silent ? "bad" : "good";
    get("title").textContent = status.model_id || "mtv_perception";
    document.title = (silent ? "! " : "") + (status.model_id || "mtv_perception");
    get("fps").textContent = silent ? "" : status.fps.toFixed(1) + " results/s";
    zones(status.zones); counts(status.counts, silent); above(status); counters(status); chart(status.series);
  } catch (error) {
    state.textContent = "the node does not answer";
    state.className = "bad";
    zones(null);
  }
  setTimeout(refresh, 500);
}
refresh();
</script>
</body></html>
"""
