/* The numbers of a chart, as a table: the picture's text, for who does not see it. */

const MOST_NUMBERS = 500;

/** What plotly was given as markup, as text. */
const unmarked = text => new DOMParser().parseFromString(String(text), "text/html").body.textContent;

const shortNumber = value => typeof value !== "number" ? unmarked(value)
  : Math.abs(value) < 1000 ? String(Number(value.toPrecision(4))) : Math.round(value).toLocaleString("en");

/** The rows of a chart that is drawn, each with its values by heading; what is hidden has none. */
function numbersOf(plot) {
  const axis = name => plot.layout[name.replace(/^[xy]/, "$&axis")];
  const named = plot.data.filter(trace => trace.name).length > 1;
  return plot._fullData.flatMap(trace => {
    const given = plot.data[trace.index];
    const repeated = given.legendgroup && given.showlegend === false;
    if (trace.visible !== true || trace.hoverinfo === "skip" || repeated) return [];
    if (trace.type === "heatmap") {
      return Array.from(trace.y, (name, row) => new Map([["name", name], ...trace.x.map((x, i) => [x, trace.z[row][i]])]));
    }
    if (typeof trace.customdata?.[0]?.[0] === "string") return [new Map(trace.customdata)];
    return Array.from(trace.x, (x, place) => {
      const row = new Map();
      if (named) row.set("series", given.name ?? "");
      if (Array.isArray(trace.hovertext)) row.set("name", trace.hovertext[place]);
      if (typeof trace.marker?.color?.[place] === "number") row.set("trial", trace.marker.color[place]);
      const values = {x, y: trace.y[place]};
      for (const letter of trace.orientation === "h" ? "yx" : "xy") {
        const [value, own] = [values[letter], axis(trace[`${letter}axis`])];
        const title = own?.title?.text ?? axis(own?.matches ?? letter)?.title?.text;
        if (own?.visible !== false || title) row.set(title || "name", value);
        const {array, arrayminus = array} = trace[`error_${letter}`] ?? {};
        if (array) row.set("low", value - arrayminus[place]).set("high", value + array[place]);
      }
      (given.meta ?? []).forEach((name, i) => row.set(name, trace.customdata[place][i]));
      return row;
    }).filter(row => [...row.values()].every(value => !missing(value) && !Number.isNaN(value)));
  });
}

function setUpNumbers(figure, plot) {
  const details = figure.querySelector(".numbers");
  const [table, rest] = ["table", "p"].map(name => details.querySelector(name));
  function fill() {
    if (!details.open) return;
    const rows = numbersOf(plot);
    const heads = [...new Set(rows.flatMap(row => [...row.keys()]))];
    const line = (texts, first, others, scope) => {
      const row = document.createElement("tr");
      row.append(...texts.map((text, place) => {
        const cell = document.createElement(place ? others : first);
        if (cell.tagName === "TH") cell.scope = scope;
        cell.textContent = text;
        return cell;
      }));
      return row;
    };
    table.tHead.replaceChildren(line(heads.map(unmarked), "th", "th", "col"));
    table.tBodies[0].replaceChildren(...rows.slice(0, MOST_NUMBERS).map(row =>
      line(heads.map(head => missing(row.get(head)) ? "–" : shortNumber(row.get(head))), "th", "td", "row")));
    rest.hidden = rows.length <= MOST_NUMBERS;
    rest.textContent = `The first ${MOST_NUMBERS} of ${rows.length.toLocaleString("en")} rows.`;
  }
  details.addEventListener("toggle", fill);
  plot.on("plotly_afterplot", fill);
}
