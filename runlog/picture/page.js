// What a still picture cannot do: values under the pointer, a logarithmic axis, finding a chart.
(() => {
  "use strict";
  document.documentElement.classList.add("scripted");
  const SVG = "http://www.w3.org/2000/svg", GRAIN = 1000;
  const numbers = (text) => (text ? text.split(" ").map(Number) : []);
  const shown = (v) => String(Number(v.toPrecision(5))).replace("e+", "e");

  // Curves of a chart, read from its attributes when first needed.
  const known = new WeakMap();
  const read = (chart) => {
    if (!known.has(chart)) {
      const curves = [...chart.querySelectorAll(".plot > g")].map((g) => {
        const at = numbers(g.dataset.at), y = numbers(g.dataset.y), band = g.querySelector(".band");
        const parts = [...g.children].map((path) => ({ path, d: path.getAttribute("d") }));
        return { name: g.dataset.name, parts, at, y, line: g.querySelector(".line"), band,
                 dots: g.querySelector(".dots"),
                 low: band ? numbers(g.dataset.low) : y, high: band ? numbers(g.dataset.high) : y };
      });
      const plot = chart.querySelector(".plot"), across = chart.querySelector(".across");
      known.set(chart, { curves, plot, across, still: across.innerHTML,
                         x: numbers(chart.dataset.x), y: numbers(chart.dataset.y) });
    }
    return known.get(chart);
  };
  const share = (v, [low, high]) => (v / 2 - low / 2) / (high / 2 - low / 2);

  const nearest = (at, x) => {
    let a = 0, b = at.length - 1;
    while (a < b) {
      const middle = (a + b) >> 1;
      if (at[middle] < x) a = middle + 1; else b = middle;
    }
    return a > 0 && x - at[a - 1] <= at[a] - x ? a - 1 : a;
  };

  const point = (chart, event) => {
    const { curves, plot, x } = read(chart), box = plot.getBoundingClientRect();
    const left = plot.getScreenCTM(), start = left.e, width = left.a * GRAIN;
    const here = x[0] + Math.min(1, Math.max(0, (event.clientX - start) / width)) * (x[1] - x[0]);
    const found = curves.map((c) => ({ c, i: nearest(c.at, here) }));
    if (!box.width) return;
    const closest = found.reduce((a, b) =>
      Math.abs(b.c.at[b.i] - here) < Math.abs(a.c.at[a.i] - here) ? b : a);
    const at = closest.c.at[closest.i];
    let line = plot.querySelector(".cursor");
    if (!line) {
      line = plot.insertBefore(document.createElementNS(SVG, "path"), plot.firstChild);
      line.setAttribute("class", "cursor");
    }
    line.setAttribute("d", `M${share(at, x) * GRAIN} 0V${GRAIN}`);
    const figure = chart.closest("figure");
    let tip = figure.querySelector(".tip");
    if (!tip) {
      tip = figure.appendChild(document.createElement("div"));
      tip.className = "tip";
    }
    const lines = [`${chart.dataset.axis} ${at.toLocaleString("en")}`];
    for (const { c, i } of found) {
      const range = shown(c.y[i]) +
        (c.low[i] === c.high[i] || Number.isNaN(c.y[i]) ? "" : ` (${shown(c.low[i])} to ${shown(c.high[i])})`);
      const away = c.at[i] === at ? "" : ` at ${c.at[i].toLocaleString("en")}`;
      lines.push(found.length > 1 ? `${c.name} ${range}${away}` : range);
    }
    tip.replaceChildren(...lines.map((text) => {
      const div = document.createElement("div");
      div.textContent = text;
      return div;
    }));
    const inside = figure.getBoundingClientRect(), place = start + share(at, x) * width - inside.left;
    const wanted = place > inside.width / 2 ? place - tip.offsetWidth - 10 : place + 10;
    tip.style.left = `${Math.max(4, Math.min(wanted, inside.width - tip.offsetWidth - 6))}px`;
  };

  const leave = (chart) => {
    chart.querySelector(".cursor")?.remove();
    chart.closest("figure").querySelector(".tip")?.remove();
  };

  // Logarithmic: what is not positive is left out.
  const logarithmic = (chart) => {
    const { curves, across: grid, plot, x } = read(chart);
    const positive = curves.flatMap((c) => [...c.y, ...c.low, ...c.high]).filter((v) => v > 0);
    if (!positive.length) return;
    let low = Math.log10(positive.reduce((a, b) => Math.min(a, b)));
    let high = Math.log10(positive.reduce((a, b) => Math.max(a, b)));
    const room = (high - low) * 0.04 || 0.5;
    low -= room;
    high += room;
    const up = (v) => (v > 0 ? Math.round(GRAIN - ((Math.log10(v) - low) / (high - low)) * GRAIN) : GRAIN);
    for (const c of curves) {
      const across = c.at.map((at) => Math.round(share(at, x) * GRAIN));
      let line = "", dots = "", drawing = false;
      c.y.forEach((v, i) => {
        if (v > 0) {
          line += `${drawing ? "L" : "M"}${across[i]} ${up(v)}`;
          dots += `M${across[i]} ${up(v)}h0`;
        }
        drawing = v > 0;
      });
      c.line.setAttribute("d", line || "M0 0");
      c.dots?.setAttribute("d", dots || "M0 0");
      let band = "", piece = [];
      for (let i = 0; c.band && i <= c.high.length; i++) {
        if (c.high[i] > 0) {
          piece.push(i);
        } else if (piece.length) {
          const there = piece.map((j) => `${across[j]} ${up(c.high[j])}`);
          const back = piece.reverse().map((j) => `${across[j]} ${up(c.low[j])}`);
          band += `M${[...there, ...back].join("L")}z`;
          piece = [];
        }
      }
      c.band?.setAttribute("d", band || "M0 0");
    }
    grid.replaceChildren();
    const [left, top, width, height] = ["x", "y", "width", "height"].map((n) => Number(plot.getAttribute(n)));
    const every = Math.max(1, Math.ceil((high - low) / 5));
    const ticks = [];
    for (let p = Math.ceil(low / every) * every; p <= high; p += every) ticks.push(10 ** p);
    if (ticks.length < 2) ticks.splice(0, 9, 10 ** (low + room), 10 ** (high - room));
    for (const tick of ticks) {
      const y = top + (up(tick) / GRAIN) * height;
      const line = grid.appendChild(document.createElementNS(SVG, "path"));
      line.setAttribute("d", `M${left} ${y}H${left + width}`);
      const text = grid.appendChild(document.createElementNS(SVG, "text"));
      text.setAttribute("x", left - 5);
      text.setAttribute("y", y + 3.5);
      text.setAttribute("text-anchor", "end");
      const plain = tick > 1e-4 && tick < 1e4;
      text.textContent = plain ? String(Number(tick.toPrecision(3)))
        : tick.toExponential(2).replace(/\.?0*e\+?/, "e");
    }
  };
  const linear = (chart) => {
    const { curves, across, still } = read(chart);
    curves.forEach((c) => c.parts.forEach(({ path, d }) => path.setAttribute("d", d)));
    across.innerHTML = still;
  };

  const all = [...document.querySelectorAll("svg.chart")];
  for (const chart of all) {
    chart.addEventListener("pointermove", (event) => point(chart, event));
    chart.addEventListener("pointerleave", () => leave(chart));
  }
  document.getElementById("log")?.addEventListener("change", (event) =>
    all.forEach(event.target.checked ? logarithmic : linear));
  document.getElementById("find")?.addEventListener("input", (event) => {
    const words = event.target.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const figure of document.querySelectorAll("figure")) {
      const name = figure.dataset.name.toLowerCase();
      figure.hidden = !words.every((word) => name.includes(word));
    }
    for (const part of document.querySelectorAll("details")) {
      part.hidden = !part.querySelector("figure:not([hidden])");
    }
  });
})();
