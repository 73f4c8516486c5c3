/* Charts: each is drawn when a reader comes near it or the page has time, in the page's own colours. */

const colour = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** Plotly lies in the page as text; it is read when the first chart needs it. */
function loadPlotly() {
  if (window.Plotly) return;
  window.PlotlyConfig = {MathJaxConfig: "local"};
  const script = document.createElement("script");
  script.textContent = document.getElementById("plotly").textContent;
  document.head.append(script);
}

function setUpChart(figure) {
  const {options} = JSON.parse(figure.querySelector("script").textContent);
  const [select, plot, legend, caption] =
    ["select", ".plot", ".legend", "figcaption span"].map(s => figure.querySelector(s));
  const hidden = new Set();
  const groups = new Map();
  for (const trace of Object.values(options)[0].data) {
    if (trace.visible === "legendonly") hidden.add(trace.legendgroup);
    if (trace.legendgroup && trace.showlegend !== false) groups.set(trace.legendgroup, trace);
  }

  figure.chosen = () => {
    const {title, data, layout} = options[select ? select.value : Object.keys(options)[0]];
    return {title, data: data.map(trace => ({...trace, visible: !hidden.has(trace.legendgroup)})), layout};
  };

  function draw() {
    loadPlotly();
    const {title, data, layout} = figure.chosen();
    figure.querySelector(".title").textContent = caption.textContent = title;
    plot.setAttribute("aria-label", title);
    plot.style.minWidth = `${layout.meta?.least_width ?? 0}px`;
    const laid = layout.meta?.names_at_ends ? withEnds(layout, data, plot.clientWidth) : layout;
    plot.style.minHeight = `${laid.height}px`;
    const label = {bgcolor: colour("--paper"), bordercolor: colour("--line"), font: {color: colour("--ink")}};
    return Plotly.react(
      plot,
      data,
      {...laid, hoverlabel: label, font: {...layout.font, color: colour("--faint")}},
      {displayModeBar: false, responsive: true},
    );
  }

  function toggle(names, away) {
    for (const name of names) hidden[away ? "add" : "delete"](name);
    for (const button of legend.querySelectorAll("[aria-pressed]")) {
      button.setAttribute("aria-pressed", String(!hidden.has(button.dataset.group)));
    }
    draw();
  }

  function legendButton(text, press) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(text);
    button.addEventListener("click", press);
    legend.append(button);
    return button;
  }

  if (groups.size > 1) {
    for (const [name, trace] of groups) {
      const button = legendButton(name, () => toggle([name], !hidden.has(name)));
      const swatch = document.createElement("i");
      swatch.style.borderTopColor = trace.line?.color ?? trace.marker?.color;
      swatch.style.borderTopStyle = {dash: "dashed", dot: "dotted"}[trace.line?.dash] ?? "solid";
      button.prepend(swatch);
      button.dataset.group = name;
      button.setAttribute("aria-pressed", String(!hidden.has(name)));
    }
    if (groups.size > 4) {
      legendButton("all", () => toggle(groups.keys(), false)).className = "faint";
      legendButton("none", () => toggle(groups.keys(), true)).className = "faint";
    }
  }
  if (select) select.addEventListener("change", draw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  figure.resize = width => {
    const most = parseFloat(plot.style.maxWidth) || Infinity;
    Plotly.relayout(plot, width ? {width: Math.min(width, most), autosize: false} : {width: null, autosize: true});
  };
  draw();
  setUpNumbers(figure, plot);
  if (Object.values(options)[0].layout.meta?.names_at_ends) followChoice(plot, legend);
}
