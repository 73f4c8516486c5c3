/* What a page does beside its tables and charts: configurations, contents, print. */

function setUpConfigurations(box) {
  const contents = JSON.parse(box.querySelector("script").textContent);
  const selects = [...box.querySelectorAll("select")];
  const [table, output] = ["table", "output"].map(name => box.querySelector(name));
  const details = [...box.querySelectorAll("details")];

  function line(parent, tag, texts) {
    const row = parent.insertRow();
    texts.forEach((text, place) => {
      const cell = document.createElement(place ? tag : "th");
      if (cell.tagName === "TH") cell.scope = tag === "th" ? "col" : "row";
      cell.textContent = text;
      row.append(cell);
    });
  }

  function show() {
    const names = selects.map(select => select.value);
    const keys = names.map(name => contents[name].keys);
    const differing = [...new Set(keys.flatMap(Object.keys))].filter(key => keys[0][key] !== keys[1][key]);
    table.tHead.replaceChildren();
    table.tBodies[0].replaceChildren();
    line(table.tHead, "th", ["key", ...names]);
    for (const key of differing) line(table.tBodies[0], "td", [key, ...keys.map(own => own[key] ?? "–")]);
    table.hidden = !differing.length;
    output.textContent = differing.length === 1 ? "1 key differs" : `${differing.length || "no"} keys differ`;
    details.forEach((one, place) => {
      one.querySelector("summary").textContent = `${names[place]}, whole configuration`;
      one.querySelector("pre").textContent = contents[names[place]].yaml;
    });
  }
  for (const select of selects) select.addEventListener("change", show);
  show();
}

const SETUP = {chart: setUpChart, records: setUpRecords, configurations: setUpConfigurations, samples: setUpSamples};
const lazy = [...document.querySelectorAll(".chart, .records, .configurations, section.samples")];

function setUp(box) {
  near.unobserve(box);
  if (box.ready) return;
  box.ready = true;
  SETUP[box.classList[0]](box);
}

const near = new IntersectionObserver(
  entries => entries.filter(entry => entry.isIntersecting).forEach(entry => setUp(entry.target)),
  {rootMargin: "400px 0px"},
);

/** What is far away is set up while a reader reads, one box at a time: a capture of the page has it too. */
function setUpRest() {
  const rest = lazy.filter(box => !box.ready);
  if (!rest.length) return;
  setUp(rest.find(box => !box.matches(".chart")) ?? rest[0]); // tables first: they take no time
  setTimeout(setUpRest);
}

/** On paper there is nothing to click: everything is drawn, every row shown. */
function forPaper(printing) {
  if (printing) lazy.forEach(setUp);
  for (const details of document.querySelectorAll(".whole")) details.open = printing;
  for (const box of lazy) {
    if (!box.ready) continue;
    box.showAll?.(printing);
    box.resize?.(printing ? 1000 : null);
    for (const details of box.querySelectorAll("details:not(.numbers)")) details.open = printing;
  }
}

/** The contents say where the reader is. */
function followReader(links) {
  const found = new Map(links.map(link => [document.querySelector(link.hash), link]));
  const seen = new IntersectionObserver(entries => {
    for (const entry of entries.filter(one => one.isIntersecting)) {
      for (const link of links) link.removeAttribute("aria-current");
      found.get(entry.target).setAttribute("aria-current", "true");
    }
  }, {rootMargin: "-15% 0px -75% 0px"});
  for (const section of found.keys()) seen.observe(section);
}

document.querySelectorAll("section.results").forEach(setUpResults);
lazy.forEach(box => near.observe(box));
window.addEventListener("hashchange", openFromAddress);
openFromAddress();
followReader([...document.querySelectorAll(".contents li a")]);
if (matchMedia("(max-width: 62rem)").matches) document.querySelector(".contents details")?.removeAttribute("open");
matchMedia("print").addEventListener("change", query => forPaper(query.matches));
window.addEventListener("load", () => setTimeout(setUpRest));
window.addEventListener("beforeprint", () => forPaper(true));
window.addEventListener("afterprint", () => forPaper(false));
