"use strict";
// Draws the charts of the page, and lets a reader choose range, segment and colours. What is
// chosen stands behind # in the address, so that a link shows the same.
(() => {
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const looks = read("looks");
  const charts = read("charts").map((chart) => ({ ...chart, rows: rowsOf(chart) }));
  const chosen = new URLSearchParams(location.hash.slice(1));
  const drawn = new Map();

  function rowsOf({ columns, values }) {
    const names = columns.map(({ name }) => name);
    const count = values[names[0]].length;
    return Array.from({ length: count }, (_, place) =>
      Object.fromEntries(names.map((name) => [name, values[name][place]])));
  }

  const last = charts
    .filter(({ time }) => time)
    .flatMap(({ time, rows }) => rows.map((row) => row[time]))
    .reduce((latest, date) => (date > latest ? date : latest), "");

  function firstOf(months) {
    if (!months || !last) return "";
    const date = new Date(`${last.slice(0, 7)}-01T00:00:00Z`);
    date.setUTCMonth(date.getUTCMonth() - months + 1);
    return date.toISOString().slice(0, 10);
  }

  function shownOf({ time, segment, rows }) {
    const first = firstOf(Number(rangeOf()));
    const wanted = segmentOf();
    return rows.filter((row) =>
      (!time || row[time] >= first) && (!segment || !wanted || row[segment] === wanted));
  }

  const rangeOf = () => document.querySelector("input[name=range]:checked").value;
  const segmentOf = () => document.getElementById("segment")?.value ?? "";
  const isFirst = () => !document.getElementById("segment")?.selectedIndex;

  const hasValue = (rows, name) => rows.some((row) => Number.isFinite(row[name]));

  // Vega has no scale for what has no value, and warns: such layers are left out, and named.
  function layersOf({ spec, figures }, rows, absent) {
    const ongoing = rows.filter((row) => row.is_complete === false);
    const runs = figures.some((name) => hasValue(ongoing, name));
    return spec.layer?.filter(({ name, encoding }) =>
      !absent.includes(encoding.y?.field) && (runs || name !== "running"));
  }

  function sayAbsent(figure, { figures, columns, time, segment }, absent) {
    const all = (!time || rangeOf() === "0") && (!segment || isFirst());
    const what = all ? "No value yet" : "No value in what is chosen";
    const labels = columns.filter(({ name }) => absent.includes(name)).map(({ label }) => label);
    const line = figure.querySelector(".absent");
    line.hidden = absent.length === 0;
    line.textContent = absent.length < figures.length ? `${what}: ${labels.join(", ")}` : what;
  }

  async function draw(chart) {
    const rows = shownOf(chart);
    const figure = document.getElementById(chart.name);
    const place = figure.querySelector(".chart");
    const absent = chart.figures.filter((name) => !hasValue(rows, name));
    drawn.get(chart.name)?.finalize();
    drawn.delete(chart.name);
    sayAbsent(figure, chart, absent);
    if (figure.querySelector("details").open) fillTable(figure, chart);
    if (absent.length === chart.figures.length) {
      place.replaceChildren();
      return;
    }
    const layer = layersOf(chart, rows, absent);
    const spec = {
      $schema: "https://vega.github.io/schema/vega-lite/v6.json",
      width: "container",
      height: 260,
      ...chart.spec,
      ...(layer && { layer }),
      config: looks,
      autosize: { type: "fit-x", contains: "padding" },
      data: { values: rows },
    };
    const { view } = await vegaEmbed(place, spec, { actions: false, renderer: "svg" });
    drawn.set(chart.name, view);
    // How many rows a legend takes is known once the width is.
    await view.resize().runAsync();
    // The figure's text alternative stands for all of it.
    place.querySelector("svg").setAttribute("aria-hidden", "true");
  }

  const text = (value) =>
    value === null ? "" : value === true ? "yes" : value === false ? "no, runs" : String(value);

  function shown(value) {
    return typeof value === "number"
      ? value.toLocaleString("en", { maximumFractionDigits: 2 }) : text(value);
  }

  function fillTable(figure, { columns, ...chart }) {
    const table = document.createElement("table");
    const caption = table.createCaption();
    caption.className = "hidden";
    caption.textContent = figure.querySelector("h3").textContent;
    const head = table.createTHead().insertRow();
    for (const { label } of columns) {
      const cell = document.createElement("th");
      cell.scope = "col";
      cell.textContent = label;
      head.append(cell);
    }
    const body = table.createTBody();
    for (const row of shownOf(chart)) {
      const line = body.insertRow();
      if (row.is_complete === false) line.className = "running";
      for (const { name } of columns) line.insertCell().textContent = shown(row[name]);
    }
    figure.querySelector(".numbers").replaceChildren(table);
  }

  const quoted = (cell) => (/[",\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell);

  function separated({ columns, ...chart }, mark, quote) {
    const lines = [
      columns.map(({ label }) => label),
      ...shownOf(chart).map((row) => columns.map(({ name }) => text(row[name]))),
    ];
    return lines.map((line) => line.map(quote).join(mark)).join("\r\n") + "\r\n";
  }

  function save(name, content) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([content], { type: "text/csv" }));
    link.download = `${name}.csv`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  }

  async function copy(content) {
    try {
      await navigator.clipboard.writeText(content);
    } catch {
      // A file:// page may not reach the clipboard by the newer way.
      const area = document.createElement("textarea");
      area.value = content;
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
  }

  function remember() {
    const state = new URLSearchParams();
    state.set("range", rangeOf());
    if (segmentOf()) state.set("segment", segmentOf());
    const theme = document.getElementById("theme").value;
    if (theme) state.set("theme", theme);
    history.replaceState(null, "", `#${state}`);
  }

  function applyTheme() {
    const theme = document.getElementById("theme").value;
    if (theme) document.documentElement.dataset.theme = theme;
    else delete document.documentElement.dataset.theme;
  }

  function restore() {
    const range = document.querySelector(
      `input[name=range][value="${CSS.escape(chosen.get("range") ?? "")}"]`);
    if (range) range.checked = true;
    for (const name of ["segment", "theme"]) {
      const select = document.getElementById(name);
      const value = chosen.get(name);
      if (select && value && [...select.options].some((option) => option.value === value)) {
        select.value = value;
      }
    }
    applyTheme();
  }

  for (const chart of charts) {
    const figure = document.getElementById(chart.name);
    const details = figure.querySelector("details");
    details.addEventListener("toggle", () => details.open && fillTable(figure, chart));
    figure.querySelector(".save").addEventListener("click", () =>
      save(chart.name, separated(chart, ",", quoted)));
    figure.querySelector(".copy").addEventListener("click", async () => {
      await copy(separated(chart, "\t", (cell) => cell));
      const said = figure.querySelector("output");
      said.textContent = "Copied";
      setTimeout(() => { said.textContent = ""; }, 3_000);
    });
  }

  // One after the other: what was chosen last is what stands there.
  let drawing = Promise.resolve();
  function drawAll() {
    delete document.documentElement.dataset.drawn;
    drawing = drawing.then(() => Promise.all(charts.map(draw)));
    drawing.then(() => { document.documentElement.dataset.drawn = "yes"; });
  }

  for (const input of document.querySelectorAll("input[name=range], #segment")) {
    input.addEventListener("change", () => { remember(); drawAll(); });
  }
  document.getElementById("theme").addEventListener("change", () => { remember(); applyTheme(); });
  restore();
  drawAll();
})();
