"use strict";
// Draws recorded trainings: two beside each other, frame by frame.
(async () => {
  const GRID = 96, CARD_GRID = 40; // points a side at which responses are computed
  const NODE = 30, ROW = 35, TOP = 24, BOTTOM = 20; // pixels of the drawn network
  const FULL_WEIGHT = 3, WIDEST = 7; // a weight of this size is drawn this wide, in pixels
  const PALE = 0.66; // colours of the large square, so that the dots stand out
  const LEAST = "1e-7"; // below, the numbers in the page are 0 (float16)
  const LEAST_DECADE = -6; // gradients of 1e-6 and 1 are the thinnest and the widest line
  const FRAME_MS = matchMedia("(prefers-reduced-motion: reduce)").matches ? 600 : 110;
  const $ = (selector, root = document) => root.querySelector(selector);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const element = (tag, properties = {}, ...children) => {
    const node = Object.assign(document.createElement(tag), properties);
    node.append(...children);
    return node;
  };
  const shape = (tag, attributes, text) => {
    const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    if (text !== undefined) node.textContent = text;
    return node;
  };

  const film = await recorded($("#page-data").textContent).catch(() => null);
  if (!film) {
    $("#legend").textContent = "This browser cannot unpack the trainings; the table below holds the results.";
    return;
  }
  const { scene, layers, hiddenLayers, frameOf, respond } = film;
  window.playground = film; // for whoever wants to look into it

  // --- colours ------------------------------------------------------------------------------------
  let colours;
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const readColours = () => {
    colours = Object.fromEntries(["negative", "neutral", "positive"].map((n) => [n, css(`--${n}`).split(" ").map(Number)]));
    colours.edge = css("--dot-edge");
  };
  const paint = (canvas, map, side, scale, strength = 1) => {
    if (canvas.width !== side) canvas.width = canvas.height = side;
    const context = canvas.getContext("2d");
    const image = context.createImageData(side, side);
    for (let p = 0; p < map.length; p++) {
      const t = Math.max(-1, Math.min(1, map[p] / scale)) || 0;
      const end = t < 0 ? colours.negative : colours.positive, share = strength * Math.abs(t);
      for (let c = 0; c < 3; c++) image.data[4 * p + c] = colours.neutral[c] + share * (end[c] - colours.neutral[c]);
      image.data[4 * p + 3] = 255;
    }
    context.putImageData(image, 0, 0);
  };
  const dots = (context, reel, size, radius) => {
    for (let p = 0; p < reel.y.length; p++) {
      const [x, y] = [reel.points[2 * p], -reel.points[2 * p + 1]].map((v) => ((v / reel.half + 1) / 2) * size);
      context.beginPath();
      context.arc(x, y, radius, 0, 7);
      context.fillStyle = `rgb(${(reel.y[p] === "1" ? colours.positive : colours.negative).join(",")})`;
      context.fill();
      context.lineWidth = radius / 3.2;
      context.strokeStyle = colours.edge;
      context.stroke();
    }
  };

  // A name that may be broken after its underlines.
  const breakable = (name) => name.split(/(?<=_)/).flatMap((part) => [part, element("wbr")]);

  // --- words --------------------------------------------------------------------------------------
  const size = (value) => {
    if (!Number.isFinite(value)) return "–";
    if (value === 0) return "0";
    return value >= 1e-3 && value < 1e3 ? String(Number(value.toPrecision(2))) : value.toExponential(0);
  };
  const percent = (share) => (share === null ? "–" : `${Math.round(100 * share)} %`);
  const loss = (value) => (value === null || value === undefined ? "–" : value.toFixed(3));
  const steps = (frame) => state.reel.steps[frame].toLocaleString("en");

  // --- one training -------------------------------------------------------------------------------
  const state = {
    reel: scene.reels[0], frame: scene.reels[0].steps.length - 1, mode: "weights",
    left: Number($("#left-start").value), right: Number($("#right-start").value),
  };
  const makePane = (side) => {
    const root = $(`.pane.${side}`), net = $(".net", root), svg = $("svg", net), big = $(".boundary canvas", root);
    const small = document.createElement("canvas");
    const buttons = scene.sizes.map((units, l) => Array.from({ length: units }, (_, u) => {
      const name = l === 0 ? `input ${u + 1}` : l > hiddenLayers ? "output" : `unit ${u + 1} of layer ${l}`;
      const button = element("button", { type: "button", className: "unit", tabIndex: -1, title: name }, element("canvas"));
      button.setAttribute("aria-label", `Show ${name} in large`);
      const show = () => { shown = { l, u, name, button }; drawBig(); };
      const hide = () => { if (document.activeElement !== button) { shown = null; drawBig(); } };
      button.addEventListener("pointerenter", show);
      button.addEventListener("pointerleave", hide);
      button.addEventListener("focus", show);
      button.addEventListener("blur", () => { shown = null; drawBig(); });
      button.addEventListener("keydown", (event) => {
        const [dl, du] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key] ?? [0, 0];
        const column = buttons[l + dl];
        const next = column?.[Math.min(Math.max(u + du, 0), column.length - 1)];
        if (event.key === "Escape") button.blur();
        if (!next || next === button) return;
        event.preventDefault();
        button.tabIndex = -1;
        next.tabIndex = 0;
        next.focus();
      });
      net.append(button);
      return button;
    }));
    buttons[1][0].tabIndex = 0; // one stop of the Tab key; arrows go on from there
    const lines = layers.map(({ inputs, units }) => Array.from({ length: inputs * units }, () => shape("path", {})));
    const heads = scene.sizes.map((_, l) => shape("text", {}, l === 0 ? "input" : l > hiddenLayers ? "output" : ""));
    const feet = layers.map(() => shape("text", {}));
    svg.append(...lines.flat(), ...heads, ...feet);
    let shown = null, maps = null;

    const layOut = () => {
      const width = net.clientWidth, rows = Math.max(...scene.sizes);
      const height = TOP + rows * ROW + BOTTOM;
      const x = (l) => (l * (width - NODE)) / (scene.sizes.length - 1);
      const y = (l, u) => TOP + ((rows - scene.sizes[l]) / 2 + u) * ROW + (ROW - NODE) / 2;
      svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
      net.style.height = `${height}px`;
      buttons.forEach((column, l) => column.forEach((button, u) => Object.assign(button.style, {
        left: `${x(l)}px`, top: `${y(l, u)}px`, width: `${NODE}px`, height: `${NODE}px`,
      })));
      layers.forEach(({ units }, l) => lines[l].forEach((line, k) => {
        const [i, u] = [Math.floor(k / units), k % units];
        const [x1, y1, x2, y2] = [x(l) + NODE, y(l, i) + NODE / 2, x(l + 1), y(l + 1, u) + NODE / 2];
        line.setAttribute("d", `M${x1},${y1}C${(x1 + x2) / 2},${y1} ${(x1 + x2) / 2},${y2} ${x2},${y2}`);
      }));
      const inside = (at) => Math.min(Math.max(at, 16), width - 17);
      heads.forEach((text, l) => { text.setAttribute("x", inside(x(l) + NODE / 2)); text.setAttribute("y", 12); });
      feet.forEach((text, l) => { text.setAttribute("x", (x(l) + x(l + 1) + NODE) / 2); text.setAttribute("y", height - 4); });
      const pixels = Math.round(big.clientWidth * Math.max(2, devicePixelRatio));
      big.width = big.height = pixels;
    };
    const drawLines = (film) => {
      const numbersNow = frameOf(film, state.mode, state.frame);
      layers.forEach(({ kernel }, l) => {
        let squares = 0;
        lines[l].forEach((line, k) => {
          const value = numbersNow[kernel + k], magnitude = Math.abs(value);
          squares += value * value;
          const share = state.mode === "weights" ? magnitude / FULL_WEIGHT : 1 - Math.log10(magnitude) / LEAST_DECADE;
          const bounded = Math.min(Math.max(share || 0, 0.04), 1);
          line.setAttribute("class", magnitude > 0 ? (value > 0 ? "positive" : "negative") : "none");
          line.style.strokeWidth = magnitude > 0 ? WIDEST * bounded : 1;
          line.style.opacity = magnitude > 0 ? 0.3 + 0.7 * Math.sqrt(bounded) : 1;
        });
        const rms = size(Math.sqrt(squares / lines[l].length));
        feet[l].textContent = state.mode === "gradients" && rms === "0" ? `rms < ${LEAST}` : `rms ${rms}`;
      });
    };
    const drawBig = () => {
      if (!maps) return;
      const { l, u } = shown ?? { l: hiddenLayers + 1, u: 0 };
      const context = big.getContext("2d");
      paint(small, maps[l][u], GRID, l === 0 ? state.reel.half : 1, PALE);
      context.imageSmoothingEnabled = true;
      context.imageSmoothingQuality = "high";
      context.drawImage(small, 0, 0, big.width, big.height);
      dots(context, state.reel, big.width, big.width / 110);
      for (const button of buttons.flat()) button.classList.toggle("shown", button === shown?.button);
      $("figcaption", root).textContent = shown ? `Response of ${shown.name}` : "Answer of the network";
    };
    const draw = () => {
      const film = state.reel.films[state[side]], { frame } = state, start = scene.starts[state[side]];
      const epoch = state.reel.epochs[frame];
      maps = respond(frameOf(film, "weights", frame), state.reel.half, GRID);
      buttons.forEach((column, l) => column.forEach((button, u) =>
        paint($("canvas", button), maps[l][u], GRID, l === 0 ? state.reel.half : 1)));
      drawLines(film);
      drawBig();
      film.distinct[frame].forEach((count, k) => {
        const units = scene.sizes[k + 1];
        heads[k + 1].textContent = count === units ? `${units} differ` : count === 1 ? "all equal" : `${count} of ${units} differ`;
        heads[k + 1].setAttribute("class", count === units ? "" : "copies");
      });
      const [units, gradient] = film.words[frame];
      const copies = film.distinct[frame].some((count, k) => count < scene.sizes[k + 1]);
      $(`#${side}-start`).value = state[side];
      $(".formula", root).textContent = start.text;
      $(".accuracy", root).textContent = percent(film.test_accuracy[epoch]);
      $(".test-loss", root).textContent = loss(film.test_loss[epoch]);
      $(".loss", root).textContent = loss(film.loss[epoch - 1]);
      $(".units", root).textContent = units;
      $(".units", root).classList.toggle("copies", copies);
      $(".gradient", root).textContent = gradient;
      big.setAttribute("aria-label", `Answer of the network from ${start.name} on ${state.reel.data} after ${steps(frame)} steps: ${percent(film.test_accuracy[epoch])} of the test points are right.`);
      net.setAttribute("aria-label", `Network from ${start.name}. ${units} ${gradient}`);
    };
    return { draw, layOut };
  };

  // --- loss of all starts -------------------------------------------------------------------------
  const drawLoss = () => {
    const svg = $("#loss"), width = svg.clientWidth, height = svg.clientHeight;
    const edge = { left: 34, right: 12, top: 18, bottom: 26 };
    const epochs = state.reel.films[0].test_loss.length - 1;
    const stepsOf = state.reel.steps.at(-1) / epochs;
    const most = Math.min(1.2, Math.max(0.8, ...state.reel.films.flatMap((film) => film.test_loss)));
    const x = (epoch) => edge.left + ((width - edge.left - edge.right) * epoch) / epochs;
    const y = (value) => height - edge.bottom - ((height - edge.top - edge.bottom) * Math.min(value, most)) / most;
    const path = (film) => film.test_loss.map((value, epoch) => (value === null ? "" : `${epoch ? "L" : "M"}${x(epoch).toFixed(1)},${y(value).toFixed(1)}`)).join("");
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.replaceChildren();
    for (const value of [0, 0.2, 0.4, 0.6, 0.8, 1].filter((v) => v <= most)) {
      svg.append(shape("path", { class: "axis", d: `M${edge.left},${y(value)}H${width - edge.right}` }));
      svg.append(shape("text", { x: edge.left - 6, y: y(value) + 4, "text-anchor": "end" }, value));
    }
    for (let part = 0; part <= 4; part++) {
      const anchor = part === 4 ? "end" : "middle";
      svg.append(shape("text", { x: x((epochs * part) / 4), y: height - 8, "text-anchor": anchor }, Math.round((epochs * part * stepsOf) / 4).toLocaleString("en")));
    }
    state.reel.films.forEach((film, k) => { if (k !== state.left && k !== state.right) svg.append(shape("path", { class: "other", d: path(film) })); });
    ["left", "right"].forEach((side, place) => {
      svg.append(shape("path", { class: side, d: path(state.reel.films[state[side]]) }));
      const text = `${place ? "╌╌" : "━━"} ${scene.starts[state[side]].name}`;
      svg.append(shape("text", { class: side, x: place ? width - edge.right : edge.left, y: 11, "text-anchor": place ? "end" : "start" }, text));
    });
    const now = x(state.reel.epochs[state.frame]);
    svg.append(shape("path", { class: "now", d: `M${now},${edge.top}V${height - edge.bottom}` }));
    const ends = ["left", "right"].map((side) => `${scene.starts[state[side]].name} ends at ${loss(state.reel.films[state[side]].test_loss.at(-1))}`);
    svg.setAttribute("aria-label", `Loss on the test points by step: ${ends.join(", ")}.`);
    svg.onclick = (event) => {
      const epoch = ((event.clientX - svg.getBoundingClientRect().left - edge.left) / (width - edge.left - edge.right)) * epochs;
      const gaps = state.reel.epochs.map((e) => Math.abs(e - epoch));
      go(gaps.indexOf(Math.min(...gaps)));
    };
  };

  // --- all starts ---------------------------------------------------------------------------------
  const cards = scene.starts.map((start, k) => {
    const put = (side) => {
      const button = element("button", { type: "button", className: side, textContent: side });
      button.setAttribute("aria-label", `Show ${start.name} on the ${side}`);
      button.addEventListener("click", () => { state[side] = k; draw(); });
      return button;
    };
    const card = { canvas: element("canvas"), share: element("p"), left: put("left"), right: put("right") };
    card.canvas.setAttribute("aria-hidden", "true");
    $(".gallery").append(element("article", { className: "card" }, card.canvas, element("h3", {}, ...breakable(start.name)), card.share, element("div", {}, card.left, card.right)));
    return card;
  });
  const drawCards = () => cards.forEach((card, k) => {
    const film = state.reel.films[k];
    const maps = respond(frameOf(film, "weights", state.frame), state.reel.half, CARD_GRID);
    paint(card.canvas, maps.at(-1)[0], CARD_GRID, 1, PALE);
    card.share.textContent = `${percent(film.test_accuracy[state.reel.epochs[state.frame]])} right`;
    for (const side of ["left", "right"]) card[side].setAttribute("aria-pressed", String(state[side] === k));
  });

  // --- controls -----------------------------------------------------------------------------------
  const slider = $("#frame"), play = $("#play");
  const drawThumbs = () => all(".data canvas").forEach((canvas, k) => {
    canvas.width = canvas.height = 88;
    dots(canvas.getContext("2d"), scene.reels[k], 88, 2.6);
  });
  const drawLegend = () => {
    const wide = (name, height) => { const bar = element("i", { className: name }); bar.style.height = `${height}px`; return bar; };
    const item = (...parts) => element("span", {}, ...parts);
    const width = state.mode === "weights" ? `Width: size, full at ${FULL_WEIGHT}` : `Width: power of ten, 1e${LEAST_DECADE} to 1, the same left and right`;
    $("#legend").replaceChildren(item(wide("negative", 6), "negative"), item(wide("positive", 6), "positive"), item(width), item(state.mode === "weights" ? "Dotted: 0" : `Dotted: below ${LEAST}`));
  };
  const panes = [makePane("left"), makePane("right")];
  const draw = () => {
    slider.value = state.frame;
    slider.setAttribute("aria-valuetext", `after ${steps(state.frame)} of ${steps(slider.max)} steps`);
    $("#step").textContent = innerWidth > 640 ? `step ${steps(state.frame)} of ${steps(slider.max)}` : `step ${steps(state.frame)}`;
    for (const pane of panes) pane.draw();
    drawLoss();
    drawCards();
    document.body.dataset.drawn = [state.reel.data, scene.starts[state.left].name, scene.starts[state.right].name, state.frame, state.mode].join(" ");
  };
  const go = (frame) => { state.frame = Math.min(Math.max(frame, 0), Number(slider.max)); draw(); };
  let timer = null;
  const stop = () => {
    clearInterval(timer);
    timer = null;
    play.setAttribute("aria-pressed", "false");
    play.replaceChildren(element("span", { ariaHidden: "true", textContent: "▶" }), " ", element("b", { textContent: "Play" }));
    play.setAttribute("aria-label", "Play");
  };
  const toggle = () => {
    if (timer) return stop();
    if (state.frame === Number(slider.max)) go(0);
    timer = setInterval(() => { go(state.frame + 1); if (state.frame === Number(slider.max)) stop(); }, FRAME_MS);
    play.setAttribute("aria-pressed", "true");
    play.replaceChildren(element("span", { ariaHidden: "true", textContent: "❚❚" }), " ", element("b", { textContent: "Stop" }));
    play.setAttribute("aria-label", "Stop");
  };
  const setMode = (mode) => { state.mode = mode; $(`.mode [value=${mode}]`).checked = true; drawLegend(); draw(); };
  play.addEventListener("click", toggle);
  slider.addEventListener("input", () => { stop(); go(Number(slider.value)); });
  for (const [id, by] of [["#back", -1], ["#on", 1]]) $(id).addEventListener("click", () => { stop(); go(state.frame + by); });
  for (const input of all(".data input")) input.addEventListener("change", () => { state.reel = scene.reels[Number(input.value)]; draw(); });
  for (const input of all(".mode input")) input.addEventListener("change", () => setMode(input.value));
  for (const side of ["left", "right"]) $(`#${side}-start`).addEventListener("change", (event) => { state[side] = Number(event.target.value); draw(); });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    const onField = event.target.closest("select, input, .unit"), onButton = event.target.closest("button");
    const jump = { ArrowLeft: state.frame - 1, ArrowRight: state.frame + 1, Home: 0, End: Number(slider.max) }[event.key];
    if (event.key === " " && (event.target === slider || !(onField || onButton))) { event.preventDefault(); toggle(); }
    else if (event.key === "g" || event.key === "G") setMode(state.mode === "weights" ? "gradients" : "weights");
    else if (jump !== undefined && !onField) { event.preventDefault(); stop(); go(jump); }
  });

  for (const part of [".controls", "#stage", "#curves", "#all"]) $(part).hidden = false;
  const again = () => { readColours(); for (const pane of panes) pane.layOut(); drawThumbs(); drawLegend(); draw(); };
  let waiting;
  new ResizeObserver(() => { cancelAnimationFrame(waiting); waiting = requestAnimationFrame(again); }).observe($("#stage"));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
  addEventListener("beforeprint", () => { document.documentElement.dataset.paper = ""; again(); });
  addEventListener("afterprint", () => { delete document.documentElement.dataset.paper; again(); });
  stop();
  again();
})();
