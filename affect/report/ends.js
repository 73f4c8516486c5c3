/* Curves of several models: a name at the end of each line, and the interval of the one that is pointed at. */

const ENDS = {bands: 2, font: 12, line: 15, lead: 18};

/** Breaks a name into lines no wider than `most` pixels, between words where it can. */
function linesOf(name, most) {
  const pen = document.createElement("canvas").getContext("2d");
  pen.font = `${ENDS.font}px system-ui, sans-serif`;
  const width = text => pen.measureText(text).width;
  const lines = [""];
  for (const word of name.split(/(?<=[\s._-])/u)) {
    if (lines.at(-1) && width(lines.at(-1) + word.trimEnd()) > most) lines.push("");
    for (const letter of word) {
      if (width(lines.at(-1) + letter) > most && letter.trim()) lines.push("");
      lines[lines.length - 1] += letter;
    }
  }
  return {lines, width: Math.max(...lines.map(width))};
}

/** Middles of boxes in a column, as near as can be to what is wanted, in that order, none over another. */
function apart(wanted, heights, room) {
  let total = 0;
  const offsets = heights.map(height => (total += height) - height / 2);
  const groups = [];
  wanted.forEach((middle, place) => {
    let group = {sum: middle - offsets[place], count: 1};
    while (groups.length && groups.at(-1).sum / groups.at(-1).count > group.sum / group.count) {
      const before = groups.pop();
      group = {sum: before.sum + group.sum, count: before.count + group.count};
    }
    groups.push(group);
  });
  return groups
    .flatMap(({sum, count}) => Array(count).fill(Math.min(Math.max(sum / count, 0), room - total)))
    .map((start, place) => start + offsets[place]);
}

/** What a layout becomes with names at the ends of the lines that are seen, in a figure of some width. */
function withEnds(layout, traces, width) {
  const seen = traces.filter(trace => trace.visible);
  const bands = seen.filter(trace => trace.fill);
  for (const band of bands) band.opacity = bands.length > ENDS.bands ? 0 : 1;
  const values = seen.filter(trace => !(trace.fill && trace.opacity === 0)).flatMap(trace => trace.y);
  if (layout.yaxis.zeroline) values.push(0);
  const known = values.filter(Number.isFinite);
  const edge = 0.06 * (Math.max(...known) - Math.min(...known)) || 0.5;
  const [low, high] = known.length ? [Math.min(...known) - edge, Math.max(...known) + edge] : [0, 1];

  const ends = seen.filter(trace => !trace.fill).flatMap(trace => {
    const last = trace.y.findLastIndex(Number.isFinite);
    if (last < 0) return [];
    const {lines, width: wide} = linesOf(trace.legendgroup, Math.min(260, 0.36 * width));
    return {trace, lines, wide, x: trace.x[last], y: trace.y[last], height: ENDS.line * lines.length};
  }).sort((a, b) => b.y - a.y);
  const {t, b} = layout.margin;
  const room = Math.max(layout.height - t - b, ends.reduce((sum, end) => sum + end.height, 0));
  const points = ends.map(end => (high - end.y) / (high - low) * room);
  const places = apart(points, ends.map(end => end.height), room);
  const escaped = text => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
  return {
    ...layout,
    height: room + t + b,
    yaxis: {...layout.yaxis, range: [low, high]},
    margin: {...layout.margin, r: ENDS.lead + 12 + Math.max(0, ...ends.map(end => end.wide))},
    annotations: ends.map((end, place) => ({
      x: end.x, y: end.y, ax: ENDS.lead, ay: places[place] - points[place], text: end.lines.map(escaped).join("<br>"),
      xanchor: "left", yanchor: "middle", align: "left", borderpad: 0, standoff: 5,
      arrowhead: 0, arrowwidth: 1, arrowcolor: end.trace.line.color, font: {size: ENDS.font, color: colour("--ink")},
    })),
  };
}

/** The interval of one of many models is drawn while a reader points at its line or at its name. */
function followChoice(plot, legend) {
  const choose = name => {
    const bands = plot.data.flatMap((trace, place) => trace.fill && trace.visible ? [place] : []);
    if (bands.length <= ENDS.bands) return;
    Plotly.restyle(plot, {opacity: bands.map(place => Number(plot.data[place].legendgroup === name))}, bands);
  };
  for (const [type, chosen] of [["pointerover", true], ["focusin", true], ["pointerout", false], ["focusout", false]]) {
    legend.addEventListener(type, event => choose(chosen ? event.target.closest("[data-group]")?.dataset.group : null));
  }
  plot.on("plotly_hover", ({points}) => choose(points[0].data.legendgroup));
  plot.on("plotly_unhover", () => choose(null));
}
