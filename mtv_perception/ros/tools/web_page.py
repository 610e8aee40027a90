"""The page of the web view: nothing from elsewhere, no framework, works without a network."""

PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>mtv_perception</title>
<meta name="viewport" content="width=device-width">
<style>
body { font: 15px/1.4 system-ui, sans-serif; margin: 1em; background: #111; color: #ddd }
main { display: flex; flex-wrap: wrap; gap: 1em; align-items: flex-start }
img, canvas { background: #000; border-radius: 4px }
img { max-width: 100%; min-width: 320px; min-height: 240px }
table { border-collapse: collapse } td { padding: .1em .8em .1em 0 } td + td { text-align: right }
#state.bad { color: #e69f00 } #state.good { color: #56b4e9 }
</style></head><body>
<main>
<img id="picture" alt="overlay" src="/stream.mjpg">
<section>
<p id="state">connecting</p>
<table id="counters"></table>
<p>latency, stamp to publication (blue) and network (orange), ms</p>
<canvas id="chart" width="420" height="160"></canvas>
</section>
</main>
<script>
"use strict";
const NAMES = ["received", "processed", "dropped", "stale", "failed", "detections"];
function cell(row, text) { row.insertCell().textContent = text; }
function counters(status) {
  const table = document.getElementById("counters");
  table.replaceChildren();
  const add = (name, text) => { const row = table.insertRow(); cell(row, name); cell(row, text); };
  add("model", status.model_id);
  for (const name of NAMES) add(name, String(status[name]));
  for (const name of ["p50", "p95", "p99"]) {
    const value = status.latency_ms[name];
    add(name, value === null ? "-" : value.toFixed(1) + " ms");
  }
}
function line(context, values, top, colour) {
  const canvas = context.canvas;
  context.strokeStyle = colour; context.beginPath();
  values.forEach((value, index) => {
    const x = values.length > 1 ? index * (canvas.width - 1) / (values.length - 1) : 0;
    const y = canvas.height - 2 - Math.min(1, value / top) * (canvas.height - 16);
    if (index) context.lineTo(x, y); else context.moveTo(x, y);
  });
  context.stroke();
}
function chart(series) {
  const context = document.getElementById("chart").getContext("2d");
  context.clearRect(0, 0, context.canvas.width, context.canvas.height);
  const all = series.total.concat(series.network);
  if (!all.length) return;
  const top = Math.max(10, ...all);
  context.fillStyle = "#999"; context.font = "12px sans-serif"; context.fillText(top.toFixed(0) + " ms", 4, 12);
  line(context, series.total, top, "#56b4e9");
  line(context, series.network, top, "#e69f00");
}
async function refresh() {
  const state = document.getElementById("state");
  try {
    const status = await (await fetch("/status.json", {cache: "no-store"})).json();
    const silent = status.age_s === null ? "no result yet"
      : status.age_s > 2 ? "no result for " + status.age_s.toFixed(0) + " s" : "";
    state.textContent = silent || "running";
    state.className = silent ? "bad" : "good";
    counters(status);
    chart(status.series);
  } catch (error) {
    state.textContent = "the node does not answer";
    state.className = "bad";
  }
  setTimeout(refresh, 500);
}
refresh();
</script>
</body></html>
"""
