/* Tables: results, which the page holds as rows, and records, which it holds as columns of JSON. */

const missing = value => value === null || value === undefined || value === "";

/** Whether a text has a word that begins with what is wanted: 2; or holds it elsewhere: 1; or nowhere: 0. */
function found(text, wanted) {
  for (let at = text.indexOf(wanted); at >= 0; at = text.indexOf(wanted, at + 1)) {
    if (at === 0 || !/[\p{L}\p{N}]/u.test(text[at - 1])) return 2;
  }
  return text.includes(wanted) ? 1 : 0;
}

/** Best, smallest or first in the alphabet first; what is missing comes last either way. */
function compare(a, b, direction) {
  if (missing(a) || missing(b)) return missing(a) - missing(b);
  const order = typeof a === "number" ? a - b : a.localeCompare(b, "en", {numeric: true});
  return direction === "descending" ? -order : order;
}

/** What a click on a heading asks for: the useful direction, then the other, then the given order. */
function nextDirection(head) {
  const first = head.dataset.first;
  const other = first === "ascending" ? "descending" : "ascending";
  const directions = [null, first, other];
  return directions[(directions.indexOf(head.getAttribute("aria-sort")) + 1) % 3];
}

function markSorted(heads, head, direction) {
  for (const other of heads) other.removeAttribute("aria-sort");
  if (direction) head.setAttribute("aria-sort", direction);
}

function setUpResults(section) {
  const table = section.querySelector("table.sortable");
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  const rows = [...body.rows];
  heads.forEach((head, column) => head.querySelector("button").addEventListener("click", () => {
    const direction = nextDirection(head);
    const value = row => {
      const found = row.cells[column].dataset.value;
      return column && found !== undefined ? Number(found) : found;
    };
    markSorted(heads, head, direction);
    body.append(...(direction ? [...rows].sort((a, b) => compare(value(a), value(b), direction)) : rows));
  }));

  const [search, published] = ["search", "checkbox"].map(kind => section.querySelector(`input[type=${kind}]`));
  const output = section.querySelector("output");
  const models = rows.filter(row => !("published" in row.dataset));
  function filter() {
    const wanted = search.value.trim().toLowerCase();
    for (const row of section.querySelectorAll("[data-model]")) {
      const unwanted = "published" in row.dataset && published && !published.checked;
      row.hidden = unwanted || !row.dataset.model.toLowerCase().includes(wanted);
    }
    const seen = models.filter(row => !row.hidden).length;
    output.textContent = `${seen} of ${models.length} models`;
  }
  search.addEventListener("input", filter);
  if (published) published.addEventListener("change", filter);
  filter();
}

/** Records: nothing is put on the page before it is asked for, so that thousands of rows stay quick. */
function setUpRecords(box) {
  box.held = JSON.parse(box.querySelector("script").textContent);
  const {columns, searched, choose, noun, order: given} = box.held;
  for (const column of columns) column.values ??= meansOf(column.predictions);
  const [search, select, output, more] = ["input", "select", "output", ".more"].map(s => box.querySelector(s));
  const table = box.querySelector("table");
  const every = columns[0].values.map((_, row) => row);
  const words = every.map(row => searched.map(column => columns[column].values[row]).join("\n").toLowerCase());
  let [sorted, direction] = given ?? [null, null];
  let limit = 50;

  const heads = columns.map((column, place) => {
    const head = document.createElement("th");
    const button = document.createElement("button");
    head.scope = "col";
    head.dataset.first = column.first;
    head.classList.toggle("left", !column.form);
    button.type = "button";
    button.append(...column.label.split(/(?<=[._])/).flatMap(part => [document.createElement("wbr"), part]));
    button.addEventListener("click", () => {
      direction = nextDirection(head);
      sorted = place;
      show();
    });
    head.append(button);
    return head;
  });
  const seen = columns.map((_, place) => place).filter(place => place !== choose);
  table.style.setProperty("--columns", seen.length);
  table.tHead.insertRow().append(...seen.map(place => heads[place]));

  function written(column, row) {
    const value = column.values[row];
    if (missing(value)) return "–";
    if (!column.form) return value;
    if (column.form === "p") return value < 0.001 ? "< 0.001" : value.toFixed(3);
    if (column.form === "plain") return String(value);
    if (column.digits === 0) return Math.round(value).toLocaleString("en");
    const number = x => Math.abs(x) < 1000 ? x.toFixed(column.digits) : Math.round(x).toLocaleString("en");
    return missing(column.low?.[row]) ? number(value)
      : `${number(value)} [${number(column.low[row])}, ${number(column.high[row])}]`;
  }

  function drawn(row) {
    const line = document.createElement("tr");
    line.dataset.row = row;
    for (const place of seen) {
      const column = columns[place];
      const cell = document.createElement(place === seen[0] ? "th" : "td");
      if (place === seen[0]) cell.scope = "row";
      cell.classList.toggle("left", !column.form);
      cell.classList.toggle("prose", Boolean(column.wide));
      cell.textContent = written(column, row);
      line.append(cell);
    }
    return line;
  }

  /** The rows that are wanted, in their order. */
  function matching() {
    const wanted = search.value.trim().toLowerCase();
    const chosen = select?.value;
    const ranks = words.map(text => found(text, wanted));
    let rows = every.filter(row => ranks[row]);
    if (chosen) rows = rows.filter(row => columns[choose].values[row] === chosen);
    const values = direction ? columns[sorted].values : null;
    const order = (a, b) => (values ? compare(values[a], values[b], direction) : 0) || a - b;
    return rows.sort((a, b) => ranks[b] - ranks[a] || order(a, b));
  }

  /** All that match, for a copy: as they are written here, and plain. */
  box.content = () => {
    const own = seen.map(place => columns[place]);
    const parts = own.flatMap(column => [
      [column.label, column.values],
      ...["low", "high"].filter(end => column[end]).map(end => [`${column.label}, ${end}`, column[end]]),
    ]);
    const rows = matching();
    const chosen = select ? ` ${columns[choose].label}: ${select.value}.` : "";
    return {
      caption: box.querySelector(".caption").textContent + chosen,
      heads: own.map(column => column.label), left: own.map(column => !column.form),
      rows: rows.map(row => own.map(column => written(column, row))),
      plainHeads: parts.map(([label]) => label),
      plainRows: rows.map(row => parts.map(([, values]) => values[row])),
    };
  };

  function show() {
    const rows = matching();
    markSorted(heads, heads[sorted], direction);
    box.rows = rows;
    table.tBodies[0].replaceChildren(...rows.slice(0, limit).map(drawn));
    output.textContent = `${rows.length.toLocaleString("en")} of ${every.length.toLocaleString("en")} ${noun}`;
    const left = Math.max(rows.length - limit, 0);
    more.hidden = !left;
    more.textContent = `show ${Math.min(50, left)} more (${left.toLocaleString("en")} left)`;
    box.shown?.();
  }

  if (select) {
    for (const name of new Set(columns[choose].values)) select.add(new Option(name));
    select.addEventListener("change", () => { limit = 50; show(); });
  }
  search.addEventListener("input", () => { limit = 50; show(); });
  more.addEventListener("click", () => {
    limit += 50;
    show();
    if (more.hidden) search.focus();
  });
  box.showAll = all => { limit = all ? Infinity : 50; show(); };
  show();
}
