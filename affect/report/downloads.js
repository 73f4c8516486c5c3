/* Figures as files that can stand in a paper: dark on white, with a legend of their own. */

const INK = "#1b2230";
const FONT = "Helvetica, Arial, sans-serif";
const SVG = "http://www.w3.org/2000/svg";
const SHARPER = 3;

/** A text on lines of about so many letters. */
function lines(text, letters) {
  const found = [""];
  for (const word of text.split(" ")) {
    if (found.at(-1) && found.at(-1).length + word.length >= letters) found.push("");
    found[found.length - 1] += (found.at(-1) && " ") + word;
  }
  return found;
}

/** Plotly puts the names of axes at the very edge. */
function bordered(drawing, width, height, border = 12) {
  const root = drawing.documentElement;
  const sheet = drawing.createElementNS(SVG, "rect");
  const size = {width: width + 2 * border, height: height + 2 * border};
  for (const [name, value] of Object.entries({x: -border, y: -border, ...size, fill: "#ffffff"})) sheet.setAttribute(name, value);
  for (const [name, value] of Object.entries(size)) root.setAttribute(name, value);
  root.setAttribute("viewBox", `${-border} ${-border} ${size.width} ${size.height}`);
  root.prepend(sheet);
  return drawing;
}

/** A chart as it is drawn now: its option, without the models that the legend has hidden. */
async function svgOfChart(figure) {
  const {title, data, layout} = figure.chosen();
  const groups = new Set();
  for (const trace of data) {
    const named = trace.visible && trace.legendgroup && trace.showlegend !== false;
    trace.showlegend = Boolean(named) && !groups.has(trace.legendgroup);
    if (named) groups.add(trace.legendgroup);
  }
  const {least_width: least = 0, most_width: most = Infinity} = layout.meta ?? {};
  const ends = layout.meta?.names_at_ends;
  const legend = groups.size > 1 && !ends;
  const width = Math.max(least, Math.min(most || Infinity, 760)) + (groups.size > 1 ? 160 : 0);
  const laid = ends ? withEnds(layout, data, width) : {...layout, margin: {l: 24, r: legend ? 24 : 64, t: 0, b: 24}};
  const words = lines(title, width / 9);
  const top = 24 + 20 * words.length;
  const height = top + Math.max(laid.height - laid.margin.t, legend ? 20 * groups.size + 60 : 0);
  const escape = text => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
  const own = {
    ...laid, width, height, showlegend: legend, legend: {font: {color: INK}},
    title: {text: words.map(escape).join("<br>"), x: 0.5, y: 1, yanchor: "top", pad: {t: 14}, font: {size: 16, color: INK}},
    margin: {...laid.margin, t: top}, font: {...layout.font, family: FONT, color: INK},
    annotations: laid.annotations?.map(note => ({...note, font: {...note.font, color: INK}})),
    paper_bgcolor: "#ffffff", plot_bgcolor: "#ffffff",
  };
  const address = await Plotly.toImage({data, layout: own}, {format: "svg", width, height});
  const text = decodeURIComponent(address.slice(address.indexOf(",") + 1));
  return bordered(new DOMParser().parseFromString(text, "image/svg+xml"), width, height);
}

/** The intervals of the models that are seen. */
function svgOfIntervals(figure) {
  const drawing = document.implementation.createDocument(SVG, "svg");
  const measure = document.createElement("canvas").getContext("2d");
  measure.font = `14px ${FONT}`;
  const rows = [...figure.querySelectorAll(".row[data-model]")].filter(row => !row.hidden);
  const names = rows.map(row => row.dataset.model);
  const left = 24 + Math.max(0, ...names.map(name => measure.measureText(name).width));
  const [track, tall, top] = [520, 26, 56];
  const bottom = top + tall * rows.length;
  const at = mark => left + 12 + parseFloat(mark.style.left) / 100 * track;

  function add(kind, attributes, text) {
    const element = drawing.createElementNS(SVG, kind);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    if (text !== undefined) element.textContent = text;
    drawing.documentElement.append(element);
  }
  const line = (x1, y1, x2, y2, look) => add("line", {x1, y1, x2, y2, ...look});
  const write = (text, x, y, anchor = "start", look = {}) => add("text", {x, y, "text-anchor": anchor, ...look}, text);
  const dot = (cx, cy, published) => add("circle", published
    ? {cx, cy, r: 4, fill: "#ffffff", stroke: INK, "stroke-width": 1.5} : {cx, cy, r: 4.5, fill: "#0072b2"});
  const dashed = {stroke: "#d55e00", "stroke-dasharray": "4 3"};
  const thick = {stroke: "#0072b2", "stroke-width": 2, "stroke-opacity": 0.6};

  const {metric, better, keys} = figure.dataset;
  const key = JSON.parse(keys).filter(([kind]) => kind !== "published" || rows.some(row => "published" in row.dataset));
  const width = Math.max(left + track + 90, 24 + Math.max(...key.map(([, text]) => 40 + measure.measureText(text).width)));
  const height = bottom + 66 + 20 * key.length;
  add("rect", {width, height, fill: "#ffffff"});
  write(figure.querySelector(".title").textContent, width / 2, 28, "middle", {"font-size": 16});
  rows.forEach((row, place) => {
    const y = top + tall * (place + 0.5);
    const published = "published" in row.dataset;
    write(names[place], left, y + 5, "end", published ? {"font-style": "italic"} : {});
    for (const edge of row.querySelectorAll(".edge")) line(at(edge), y - tall / 2, at(edge), y + tall / 2, dashed);
    const span = row.querySelector(".span");
    if (span) line(at(span), y, at(span) + parseFloat(span.style.width) / 100 * track, y, thick);
    dot(at(row.querySelector(".dot")), y, published);
    write(row.lastElementChild.textContent, left + track + 24, y + 5);
  });
  line(left + 12, bottom, left + 12 + track, bottom, {stroke: INK});
  for (const tick of figure.querySelectorAll(".axis i")) {
    line(at(tick), bottom, at(tick), bottom + 5, {stroke: INK});
    write(tick.textContent, at(tick), bottom + 20, "middle", {"font-size": 12});
  }
  write(`${metric} (${better})`, left + 12 + track / 2, bottom + 40, "middle");
  key.forEach(([kind, text], place) => {
    const y = bottom + 60 + 20 * place;
    if (kind === "edge") line(24, y, 44, y, dashed);
    if (kind === "mean") line(24, y, 44, y, thick);
    if (kind !== "edge") dot(34, y, kind === "published");
    write(text, 54, y + 5, "start", {"font-size": 13});
  });
  const root = {width, height, viewBox: `0 0 ${width} ${height}`, "font-family": FONT, "font-size": 14, fill: INK};
  for (const [name, value] of Object.entries(root)) drawing.documentElement.setAttribute(name, value);
  return drawing;
}

async function pngOf(svg, {width, height}) {
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svg)}`;
  await image.decode();
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [width * SHARPER, height * SHARPER];
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise(found => canvas.toBlob(found, "image/png"));
}

function save(content, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

async function saveFigure(figure, kind) {
  const drawing = await (figure.chosen ? svgOfChart : svgOfIntervals)(figure);
  const root = drawing.documentElement;
  const title = figure.querySelector(".title").textContent;
  for (const [tag, text] of [["desc", figure.querySelector("figcaption").textContent], ["title", title]]) {
    const element = drawing.createElementNS(SVG, tag);
    element.textContent = text.trim();
    root.prepend(element);
  }
  const size = {width: parseFloat(root.getAttribute("width")), height: parseFloat(root.getAttribute("height"))};
  const svg = new XMLSerializer().serializeToString(drawing);
  const heads = ["article", "section"].map(tag => figure.closest(tag)?.querySelector("h2, h3").textContent);
  const name = [...heads, title].join(" ").replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/g, "").slice(0, 120);
  save(kind === "svg" ? new Blob([svg], {type: "image/svg+xml"}) : await pngOf(svg, size), `${name}.${kind}`);
}

/** Says beside a button what came of it, for a moment. */
function tell(button, text) {
  const status = button.parentElement.querySelector("[role=status]");
  status.textContent = text;
  clearTimeout(status.timer);
  status.timer = setTimeout(() => { status.textContent = ""; }, 4000);
}

/** What a button does, and says when it is done. */
function onButton(which, act, done) {
  document.addEventListener("click", async event => {
    const button = event.target.closest(which);
    if (!button) return;
    try {
      await act(button);
      tell(button, done);
    } catch (error) {
      tell(button, `not ${done}: ${error.message}`);
    }
  });
}

onButton("[data-file]", button => saveFigure(button.closest("figure"), button.dataset.file), "saved");
