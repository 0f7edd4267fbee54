// The page works without this file. With it: the chart, the tab's title, and a word when the stream is lost.
// The stream itself is htmx's; its extension closes it while the tab is hidden.
(() => {
  "use strict";
  const STALE_AFTER = 10000; // Milliseconds: the server sends every two seconds.
  const CHART_EVERY = 10000;
  const live = document.getElementById("live");
  const said = document.getElementById("said");
  let last = Date.now();

  // What was done is said once, and not again when the page is loaded again.
  if (new URLSearchParams(location.search).has("done")) history.replaceState(null, "", location.pathname);

  function heard() {
    last = Date.now();
    document.body.classList.remove("is-lost");
    const snapshot = live.querySelector(".snapshot");
    if (snapshot) document.title = `${snapshot.dataset.title} – Breakwall`;
    const words = [live.querySelector(".severity"), live.querySelector(".state .pill")]
      .filter(Boolean).map((one) => one.textContent.trim()).join(", ");
    if (said.textContent !== words) said.textContent = words; // Read aloud only when it changes.
  }

  function check() {
    if (!document.hidden && Date.now() - last > STALE_AFTER) document.body.classList.add("is-lost");
  }

  document.addEventListener("htmx:sse:after:message", heard);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) { last = Date.now(); draw(); } });
  setInterval(check, 1000);

  // The chart: three panels on one time axis.
  const box = document.getElementById("chart");
  let panels = [];
  let points = null;

  function color(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  }

  // The times in which the circuit was open, as pairs of seconds. A sample stands for the time since the one before.
  function openTimes() {
    const found = [];
    points.at.forEach((at, place) => {
      if (!points.open_share[place]) return;
      const from = place ? points.at[place - 1] : at;
      const last = found[found.length - 1];
      if (last && last[1] === from) last[1] = at;
      else found.push([from, at]);
    });
    return found;
  }

  function shade(plot) {
    const { ctx, bbox } = plot;
    ctx.save();
    ctx.fillStyle = color("--shade");
    openTimes().forEach(([from, until]) => {
      const left = Math.max(plot.valToPos(from, "x", true), bbox.left);
      const right = Math.min(plot.valToPos(until, "x", true), bbox.left + bbox.width);
      ctx.fillRect(left, bbox.top, right - left, bbox.height);
    });
    ctx.restore();
  }

  const language = document.documentElement.lang;
  const minutes = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
  const clock = new Intl.DateTimeFormat(language, minutes);
  const preciseClock = new Intl.DateTimeFormat(language, { ...minutes, second: "2-digit" });
  const numbers = new Intl.NumberFormat(language, { maximumFractionDigits: 0 });

  // A tick between two whole numbers has no name: half an order is none, and "1" twice misleads.
  function whole(one) {
    return Number.isInteger(one) ? numbers.format(one) : "";
  }

  // Without a pointer on the chart, its newest values are shown.
  function value(plot, here, series) {
    const found = here ?? plot.data[series].at(-1);
    return found == null ? "" : numbers.format(found);
  }

  function line(label, name, dash) {
    return { label, stroke: () => color(name), width: 1.5, dash, value, points: { show: false } };
  }

  function options(series, height, withTimes) {
    const axis = { stroke: () => color("--soft"), grid: { stroke: () => color("--line"), width: 1 }, ticks: { show: false }, font: "12px system-ui" };
    const written = (splits) => (splits[1] - splits[0] < 60 ? preciseClock : clock);
    const times = { ...axis, size: 24, space: 72, values: (plot, splits) => splits.map((one) => (withTimes ? written(splits).format(one * 1000) : "")) };
    return {
      width: box.clientWidth, height,
      padding: [8, 24, 0, 0],
      cursor: { sync: { key: "time" }, drag: { x: false, y: false } },
      scales: { y: { range: (plot, least, most) => [0, Math.max(most || 0, 1) * 1.1] } },
      axes: [{ ...times, size: withTimes ? 24 : 4 }, { ...axis, size: 56, space: 28, values: (plot, splits) => splits.map(whole) }],
      series: [{ label: box.dataset.time }, ...series],
      hooks: { drawClear: [shade] },
    };
  }

  function columns() {
    return [
      [points.at, points.queued],
      [points.at, points.arrivals, points.completions],
      [points.at, points.oldest_due_age],
    ];
  }

  function build() {
    const words = box.dataset;
    const all = [
      options([line(words.queued, "--ink")], 100, false),
      options([line(words.arrivals, "--blue"), line(words.completions, "--green", [6, 3])], 100, false),
      options([line(words.oldest, "--ink")], 120, true),
    ];
    panels = columns().map((data, place) => new uPlot(all[place], data, box));
  }

  async function draw() {
    if (!box || document.hidden) return;
    const response = await fetch(box.dataset.source).catch(() => null);
    if (response && response.status === 401) return location.reload(); // Signed out: to the form.
    if (!response || !response.ok) return;
    points = await response.json();
    if (!panels.length) build();
    else columns().forEach((data, place) => panels[place].setData(data));
  }

  function resize() {
    panels.forEach((panel) => panel.setSize({ width: box.clientWidth, height: panel.height }));
  }

  if (box) {
    draw();
    setInterval(draw, CHART_EVERY);
    new ResizeObserver(resize).observe(box);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => panels.forEach((panel) => panel.redraw()));
  }
})();
