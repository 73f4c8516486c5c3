/* One sample: what was said, what every seed of each model predicts, and what each modality contributes. */

const mean = values => values.reduce((sum, value) => sum + value, 0) / values.length;

/** The mean over seeds of each label's prediction, where it is one number. */
const meansOf = predictions => predictions[0].map((_, row) => mean(predictions.map(seed => seed[row])));

function spreadOf(values) {
  const centre = mean(values);
  return Math.sqrt(values.reduce((sum, value) => sum + (value - centre) ** 2, 0) / (values.length - 1));
}

const withSpread = (text, spread) => spread === undefined || missing(spread) ? text : `${text} ± ${spread.toFixed(3)}`;

function element(tag, name, ...children) {
  const made = document.createElement(tag);
  if (name) made.className = name;
  made.append(...children);
  return made;
}

/** A line from one end of a scale to the other; each mark is a class, and places in percent. */
function track(label, marks) {
  const line = element("span", "track");
  line.setAttribute("role", "img");
  line.setAttribute("aria-label", label);
  for (const [name, left, width] of marks) {
    const mark = element("i", name);
    mark.style.left = `${left}%`;
    if (width !== undefined) mark.style.width = `${width}%`;
    line.append(mark);
  }
  return line;
}

function setUpSamples(section) {
  const box = section.querySelector(".records");
  setUp(box);
  const {columns, outputs, truth, scale: [low, high], explained, explanation, contributions, lacking, words} = box.held;
  const models = columns.filter(column => column.predictions);
  const [ids, transcripts, labels, disagreement, largest] = ["id", "transcript", "label", "disagreement", "largest error"]
    .map(label => columns.find(column => !column.predictions && column.label === label)?.values);
  const panel = section.querySelector(".sample");
  const [previous, next, link, output, title, said, facts, note, mattered] =
    [".previous", ".next", "a", "output", "h4", "blockquote", ".said", ".note", ".mattered"].map(s => panel.querySelector(s));
  const [predicted, contributed, weighed] = panel.querySelectorAll("table");
  const rows = () => [...box.querySelectorAll("tbody tr")];
  let current = box.rows[0];

  const place = value => 2 + 96 * (value - low) / ((high - low) || 1);

  function fill(table, heads, lines) {
    const row = element("tr", "", ...heads.map(head => element("th", "", head)));
    for (const cell of row.cells) cell.scope = "col";
    table.tHead.replaceChildren(row);
    table.tBodies[0].replaceChildren(...lines.map(([name, ...cells]) => {
      const head = element("th", "", name);
      head.scope = "row";
      return element("tr", "", head, ...cells.map(parts => element("td", "", ...parts)));
    }));
  }

  function predictionOf({seeds, predictions}, out) {
    const values = predictions.map(seed => seed[current * outputs.length + out]);
    const listed = seeds.map((seed, at) => `seed ${seed}: ${values[at].toFixed(3)}`).join(", ");
    const label = truth[current * outputs.length + out];
    return [
      track(listed, [["edge", place(label)], ...values.map(value => ["dot", place(value)])]),
      withSpread(mean(values).toFixed(3), values.length > 1 ? spreadOf(values) : undefined),
      element("span", "range", values.length > 1 ? values.map(value => value.toFixed(3)).join(", ") : ""),
    ];
  }

  function showContributions() {
    const known = models.map(({label, seeds}) => [label, contributions[label], seeds]).filter(([, own]) => own);
    const rest = models.map(({label}) => label).filter(label => !contributions[label]);
    const of = outputs.length > 1 ? ` probability of ${outputs[explained[current]]}` : " prediction";
    const names = [...new Set(known.flatMap(([, own]) => own.modalities))];
    const cells = known.map(([, own]) => names.map(name => {
      const at = own.modalities.indexOf(name);
      const found = at < 0 ? null : current * own.modalities.length + at;
      return found === null ? [null] : [own.means[found], own.deviations?.[found]];
    }));
    const most = Math.max(...cells.flat().map(([value]) => Math.abs(value ?? 0))) || 1;
    const bar = ([value, spread]) => missing(value) ? ["–"] : [
      track("", [["edge", 50], [value < 0 ? "bar less" : "bar", 50 + Math.min(value, 0) * 48 / most, Math.abs(value) * 48 / most]]),
      withSpread((value > 0 ? "+" : "") + value.toFixed(3), spread),
    ];
    fill(contributed, ["model", "without any", ...names, "with all"], known.map(([label, own, seeds], line) => [
      own.seeds.length < seeds.length ? `${label} (${own.seeds.length} of ${seeds.length} seeds)` : label,
      [own.baseline[current].toFixed(3)], ...cells[line].map(bar), [own.prediction[current].toFixed(3)],
    ]));
    contributed.parentElement.hidden = !known.length;
    note.textContent = [
      known.length && `What each modality contributes to the${of}: exact Shapley values over all subsets of the modalities` +
        `${known.some(([, own]) => own.deviations) ? ", means over seeds ± standard deviation" : ""}. Without any modality it is ` +
        `taken for the ${outputs.length > 1 ? "share of the test labels that have the class" : "mean of the test labels"}; ` +
        "to this the contributions add up to what is predicted with all of them.",
      outputs.length > 1 && known.length && explanation,
      lacking[current] && `This sample lacks ${lacking[current]}: of models that read it nothing can be said.`,
      rest.length && `Not swept over all subsets of several modalities (affect sweep): ${rest.join(", ")}.`,
    ].filter(Boolean).join(" ");
  }
  function showWords() {
    const own = words[current];
    weighed.parentElement.hidden = !own;
    const which = outputs.length > 1 ? "the logit of the label's class" : "the prediction";
    mattered.textContent = own ? `Which words mattered to ${which}: gradient × input, summed over features, means over seeds. ` +
      "Blue pushes up, orange down; the stronger, the more, in each line by itself."
      : Object.keys(words).length ? "The words of the samples that models disagree on most are explained, and this is none of them." : "";
    mattered.hidden = !mattered.textContent;
    if (!own) return;
    fill(weighed, ["model · modality", ...own.words], own.lines.map(([model, modality, values]) =>
      [`${model} · ${modality}`, ...values.map(value => [missing(value) ? "–" : String(value)])]));
    own.lines.forEach(([, , values], line) => {
      const most = Math.max(...values.map(value => Math.abs(value ?? 0))) || 1;
      values.forEach((value, place) => {
        const share = Math.round(45 * Math.abs(value ?? 0) / most);
        weighed.tBodies[0].rows[line].cells[place + 1].style.background =
          `color-mix(in srgb, var(${value < 0 ? "--edge" : "--accent"}) ${share}%, transparent)`;
      });
    });
  }

  function show() {
    const position = box.rows.indexOf(current);
    output.textContent = position < 0 ? "not among the rows below"
      : `${(position + 1).toLocaleString("en")} of ${box.rows.length.toLocaleString("en")}`;
    previous.disabled = position <= 0;
    next.disabled = position === box.rows.length - 1 || !box.rows.length;
    link.hash = `${section.id}=${encodeURIComponent(ids[current])}`;
    title.textContent = ids[current];
    said.textContent = transcripts?.[current] ?? "";
    said.hidden = !said.textContent;
    const number = value => typeof value === "number" ? value.toFixed(3) : value;
    facts.textContent = `label ${number(labels[current])} · disagreement ${number(disagreement[current])} · ` +
      `largest error ${number(largest[current])}`;
    fill(predicted, ["model", ...outputs], models.map(model => [model.label, ...outputs.map((_, out) => predictionOf(model, out))]));
    showContributions();
    showWords();
    markRows();
  }

  function markRows() {
    for (const line of rows()) {
      const own = Number(line.dataset.row) === current;
      if (own) line.setAttribute("aria-current", "true");
      else line.removeAttribute("aria-current");
    }
  }

  /** Every row gets a button that opens its sample. */
  function addButtons() {
    for (const line of rows()) {
      const button = element("button", "open", ids[line.dataset.row]);
      button.type = "button";
      button.addEventListener("click", () => { open(Number(line.dataset.row)); panel.focus(); });
      line.cells[0].replaceChildren(button);
    }
    show();
  }

  function open(row) {
    current = row;
    show();
    history.replaceState(null, "", link.hash);
  }

  const move = by => {
    const position = box.rows.indexOf(current) + by;
    if (position >= 0 && position < box.rows.length) open(box.rows[position]);
  };
  previous.addEventListener("click", () => move(-1));
  next.addEventListener("click", () => move(1));
  panel.addEventListener("keydown", event => {
    const by = {ArrowLeft: -1, ArrowRight: 1}[event.key];
    if (!by || event.altKey || event.ctrlKey || event.metaKey || event.target.matches(".wide")) return;
    event.preventDefault();
    move(by);
  });
  box.addEventListener("keydown", event => {
    const by = {ArrowUp: -1, ArrowDown: 1}[event.key];
    if (!by || !event.target.matches(".open")) return;
    const buttons = [...box.querySelectorAll(".open")];
    event.preventDefault();
    buttons[buttons.indexOf(event.target) + by]?.focus();
  });
  section.open = name => {
    const row = ids.indexOf(name);
    if (row >= 0) { open(row); panel.scrollIntoView(); }
  };
  box.shown = addButtons;
  addButtons();
}

/** An address names a section and a sample: #part-1-samples=ID. */
function openFromAddress() {
  const [, id, name] = /^#([^=]+)=(.+)$/.exec(location.hash) ?? [];
  const section = id && document.getElementById(id);
  if (!section?.matches(".samples")) return;
  setUp(section);
  try { section.open(decodeURIComponent(name)); } catch (error) { if (!(error instanceof URIError)) throw error; }
}
