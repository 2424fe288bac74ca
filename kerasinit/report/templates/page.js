"use strict";
// Draws the charts of one setting at a time. Names from the records reach the page only as text
// nodes, or inside Plotly labels that the report has already escaped.
(async () => {
  const DASHES = ["solid", "dash", "dot", "dashdot"];
  const HUES = 8;
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const element = (tag, properties = {}, ...children) => {
    const node = Object.assign(document.createElement(tag), properties);
    node.append(...children);
    return node;
  };

  // --- tables: work at once, before the charts are unpacked -------------------------------------
  for (const button of all(".sortable thead button")) {
    button.addEventListener("click", () => {
      const heading = button.closest("th");
      const column = heading.cellIndex;
      const ascending = heading.getAttribute("aria-sort") !== "ascending";
      const body = heading.closest("table").tBodies[0];
      const value = (row) => row.cells[column].dataset.value;
      const order = (a, b) => {
        const [x, y] = [value(a), value(b)];
        if (x === "" || y === "") return (x === "") - (y === ""); // unknown stays last
        const direction = ascending ? 1 : -1;
        return direction * (isNaN(x) || isNaN(y) ? x.localeCompare(y) : x - y);
      };
      body.append(...[...body.rows].sort(order));
      for (const other of all("th[aria-sort]", heading.parentNode)) other.removeAttribute("aria-sort");
      heading.setAttribute("aria-sort", ascending ? "ascending" : "descending");
    });
  }
  const choice = document.getElementById("cell");
  const showCell = () => {
    for (const cell of all(".cell")) cell.hidden = cell.dataset.cell !== choice.value;
    const name = choice.options[choice.selectedIndex].text;
    for (const node of all("[data-cell-name]")) node.textContent = name;
  };
  showCell();

  // --- data and Plotly are packed in the page ---------------------------------------------------
  const unpack = async (id) => {
    const bytes = Uint8Array.from(atob(document.getElementById(id).textContent), (c) => c.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).text();
  };
  let data;
  try {
    data = JSON.parse(await unpack("page-data"));
    document.head.append(element("script", { textContent: await unpack("plotly") }));
  } catch (error) {
    for (const node of all("[data-chart], [data-panels]")) {
      node.textContent = "This browser cannot unpack the charts; the tables above hold the results.";
    }
    choice.addEventListener("change", showCell);
    return;
  }

  // --- colours ----------------------------------------------------------------------------------
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const isBaseline = (index) => index === data.baseline;
  const colour = (index) => (isBaseline(index) ? css("--text") : css(`--c${data.order[index] % HUES}`));
  const dash = (index) => DASHES[Math.floor(data.order[index] / HUES) % DASHES.length];
  const translucent = (hex, alpha) => {
    const [r, g, b] = [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
    return `rgba(${r},${g},${b},${alpha})`;
  };
  const scales = () => ({
magnitude: [[0, "#0b2347"], [0.3, "#2f6aa8"], [0.55, "#9cc3d6"], [0.67, css("--even")], [0.8, "#e9b860"], [1, "#b3261e"]],
    share: [[0, css("--page")], [1, `rgb(${css("--heat").split(" ").join(",")})`]],
  });
  const paint = (trace) => {
    const { i, role, scale } = trace.meta ?? {};
    if (role === "heat") return { ...trace, colorscale: scales()[scale], showscale: false, hoverongaps: false };
    if (role === "band") return { ...trace, fillcolor: translucent(colour(i), 0.14), line: { width: 0 } };
    if (role === "line") return { ...trace, line: { color: colour(i), width: isBaseline(i) ? 2.6 : 1.9, dash: dash(i) }, marker: { color: colour(i), size: 4 } };
    if (role === "total") return { ...trace, line: { color: css("--accent"), width: 1.9 } };
    if (role === "theory") return { ...trace, line: { color: colour(i), width: 1.4, dash: "dot" } };
    if (role === "overlay") return { ...trace, line: { color: css("--c1"), width: 2, ...trace.line } };
    if (role === "dots") return { ...trace, marker: { color: translucent(css("--accent"), 0.7), size: 9 } };
    if (role === "median") return { ...trace, marker: { color: css("--text"), symbol: "line-ns-open", size: 14, line: { width: 2 } } };
    return trace;
  };
  const axis = (own = {}) => ({
    gridcolor: css("--grid"), linecolor: css("--rule"), zeroline: false, automargin: true, fixedrange: true,
    tickfont: { size: 11 }, ...own, title: own.title ? { text: own.title.text ?? own.title, font: { size: 12 }, standoff: 8 } : undefined,
  });
  // Ticks of a logarithmic axis: powers of ten, some of them where there are many; and 2 and 5 times
  // them where there are less than two.
  const MOST_TICKS = 7, HEIGHT = 320;
  const powerOfTen = (n) => (n === 0 ? "1" : n === 1 ? "10" : `10<sup>${n < 0 ? "\u2212" : ""}${Math.abs(n)}</sup>`);
  const logTicks = (own, traces) => {
    if (own?.type !== "log") return own;
    const sizes = traces.flatMap((trace) => trace.y).filter((v) => v > 0).map(Math.log10);
    if (!own.range && !sizes.length) return own;
    const [low, high] = own.range ?? [Math.min(...sizes), Math.max(...sizes)];
    const first = Math.floor(low), step = Math.max(1, Math.ceil((high - low) / MOST_TICKS));
    const powers = Array.from({ length: Math.ceil(high) - first + 1 }, (_, k) => first + k);
    let ticks = powers.filter((n) => n % step === 0).map((n) => [10 ** n, powerOfTen(n)]);
    if (powers.filter((n) => n >= low && n <= high).length < 2) {
      const between = powers.flatMap((n) => [2, 5].map((m) => [m * 10 ** n, n === 0 ? `${m}` : `${m}\u00b7${powerOfTen(n)}`]));
      ticks = ticks.concat(between);
    }
    return { tickvals: ticks.map(([value]) => value), ticktext: ticks.map(([, text]) => text), ...own };
  };
  const drawn = new Map(); // chart element -> what it shows, to draw it again in other colours
  const draw = (node, figure, defaults = {}) => {
    const layout = {
      height: HEIGHT, margin: { l: 8, r: 10, t: 8, b: 8 }, ...defaults, ...figure.layout,
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", showlegend: false, dragmode: false, hovermode: "closest",
      font: { family: getComputedStyle(document.body).fontFamily, color: css("--muted"), size: 12 },
      hoverlabel: { bgcolor: css("--page"), bordercolor: css("--rule"), font: { color: css("--text") }, align: "left" },
      xaxis: axis(figure.layout.xaxis), yaxis: axis(logTicks(figure.layout.yaxis, figure.data)),
    };
    drawn.set(node, { figure, defaults });
    return Plotly.react(node, figure.data.map(paint), layout, { displayModeBar: false, responsive: true });
  };

  // --- which initializers are drawn -------------------------------------------------------------
  const shown = new Set(data.shown);
  const swatch = (index) => {
    const node = element("span", { className: "swatch" });
    node.style.borderTopColor = colour(index);
    node.style.borderTopStyle = { solid: "solid", dash: "dashed", dot: "dotted", dashdot: "dashed" }[dash(index)];
    return node;
  };
  const drawChoices = () => {
    document.getElementById("choices").replaceChildren(...data.initializers.map((name, index) => {
      const box = element("input", { type: "checkbox", checked: shown.has(index), value: index });
      box.addEventListener("change", () => { box.checked ? shown.add(index) : shown.delete(index); drawCell(); });
      return element("label", {}, box, swatch(index), element("span", { textContent: name }));
    }));
  };
  for (const button of all("[data-preset]")) {
    button.addEventListener("click", () => {
      const every = data.initializers.keys();
      const wanted = { default: data.shown, all: every, none: [] }[button.dataset.preset];
      shown.clear();
      for (const index of wanted) shown.add(index);
      drawChoices();
      drawCell();
    });
  }
  const picker = document.getElementById("shown");
  document.addEventListener("click", (event) => { if (!picker.contains(event.target) && event.target.isConnected) picker.open = false; });
  picker.addEventListener("keydown", (event) => {
    if (event.key === "Escape") { picker.open = false; picker.querySelector("summary").focus(); }
  });

  // --- one setting ------------------------------------------------------------------------------
  const visible = (item) => item.meta?.i === undefined || shown.has(item.meta.i);
  const fillTable = (details, table) => {
    details.querySelector(".scroll")?.remove();
    details.hidden = !table;
    if (!table) return;
    const cell = (tag, value, properties = {}) => element(tag, { textContent: value, ...properties });
    const head = element("tr", {}, ...table.columns.map((name, k) => cell("th", name, { scope: "col", className: k ? "" : "name" })));
    const rows = table.rows.map((row) => element("tr", {}, ...row.map((value, k) => (k ? cell("td", value) : cell("th", value, { scope: "row" })))));
    const body = element("table", {}, element("caption", {}, element("span", { textContent: table.caption })), element("thead", {}, head), element("tbody", {}, ...rows));
    const region = element("div", { className: "scroll", tabIndex: 0 }, body);
    region.setAttribute("role", "region");
    region.setAttribute("aria-label", table.caption);
    details.append(region);
  };
  const drawPanels = (node, panels) => {
    for (const old of all(".chart", node)) { drawn.delete(old); Plotly.purge(old); }
    node.replaceChildren();
    for (const panel of panels.filter(visible)) {
      const name = data.initializers[panel.meta.i];
      const chart = element("div", { className: "chart" });
      chart.setAttribute("role", "img");
      chart.setAttribute("aria-label", `${node.dataset.title}: ${name}`);
      node.append(element("div", { className: "panel" }, element("h4", { textContent: name }), chart));
      draw(chart, panel, { height: 190 });
    }
    if (!node.childElementCount) node.textContent = "No initializer is selected, or none has this measurement.";
  };
  const drawScale = (node, legend) => {
    node.hidden = !legend;
    if (!legend) return;
    const bar = element("i");
    bar.style.background = `linear-gradient(90deg, ${scales()[legend.scale].map(([at, c]) => `${c} ${100 * at}%`).join(", ")})`;
    node.replaceChildren(element("span", { textContent: legend.low }), bar, element("span", { textContent: legend.high }));
  };
  const tick = () => new Promise((resolve) => setTimeout(resolve));
  let run = 0; // a newer selection stops the drawing of an older one
  const drawCell = async () => {
    const mine = ++run;
    showCell();
    document.getElementById("shown-count").textContent = `${shown.size} of ${data.initializers.length}`;
    document.body.dataset.drawn = "";
    const cell = data.cells[Number(choice.value)];
    for (const node of all("[data-chart], [data-panels]")) {
      const name = node.dataset.chart ?? node.dataset.panels;
      const figure = node.closest("figure");
      const chart = cell?.[name];
      figure.hidden = !chart;
      const section = figure.closest("section");
      section.hidden = !all("figure", section).some((other) => !other.hidden);
      if (!chart) continue;
      node.dataset.title = figure.querySelector("strong").textContent;
      if (node.dataset.chart) {
        draw(node, { data: chart.data.filter(visible), layout: chart.layout });
        if (figure.querySelector(".scale")) drawScale(figure.querySelector(".scale"), chart.legend);
        const keys = [...new Set(chart.data.filter((t) => t.meta?.role === "line").map((t) => t.meta.i))];
        figure.querySelector(".legend").replaceChildren(...keys.filter((i) => shown.has(i)).map((i) =>
          element("li", {}, swatch(i), element("span", { textContent: data.initializers[i] }))));
      } else {
        drawPanels(node, chart.panels);
        drawScale(figure.querySelector(".scale"), chart.legend);
      }
      fillTable(figure.querySelector("details"), chart.table);
      await tick();
      if (mine !== run) return;
    }
    document.body.dataset.drawn = choice.value;
  };
  choice.addEventListener("change", drawCell);
  const redraw = () => { drawChoices(); drawCell(); };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);

  // A name may be broken between its parts: kerasinit>He Normal, glorot_ uniform.
  for (const name of all("tbody th span")) {
    const parts = name.textContent.split(/(?<=[_>/.,:(=])|(?<=[a-z0-9])(?=[A-Z])/);
    name.replaceChildren(...parts.flatMap((part, place) => (place ? [element("wbr"), part] : [part])));
  }

  // Paper: every chart at the width of the sheet (in the style of :root[data-paper]), in light colours.
  const again = (onPaper) => {
    for (const [node, { figure, defaults }] of drawn) {
      const height = (defaults.height ?? HEIGHT) * (onPaper ? 0.75 : 1);
      draw(node, figure, { ...defaults, height, width: onPaper ? node.clientWidth : undefined, autosize: !onPaper });
      drawn.set(node, { figure, defaults }); // as on the screen
    }
  };
  addEventListener("beforeprint", () => { document.documentElement.dataset.paper = ""; again(true); });
  addEventListener("afterprint", () => { delete document.documentElement.dataset.paper; again(false); });

  drawChoices();
  await drawCell();
})();
