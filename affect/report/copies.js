/* Tables as text to be pasted: what Python made of them, or what is seen. */

const plain = text => text.replace(/[\p{Cc}\s]+/gu, " ").trim();
const words = text => text.replaceAll("\\w", "\\p{L}\\p{N}_");  // as Python reads it
const FORMULA = new RegExp(`^${SIGNS.formula}`, "u");
const HARMLESS = new RegExp(`^(?:${words(SIGNS.harmless)})$`, "u");

/** A cell of a CSV file that no spreadsheet takes for a formula. */
function csvCell(value) {
  if (missing(value)) return "";
  if (typeof value === "number") return String(value);
  const safe = FORMULA.test(value) && !HARMLESS.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** Each makes a text of a caption, heads, rows of texts, and for every column whether it stands on the left. */
const WRITERS = {
  latex({caption, heads, rows, left}) {
    const letters = text => [...plain(text)].map(sign => SIGNS.latex[sign] ?? sign).join("");
    const row = cells => cells.map(letters).join(" & ").replace(/^(?=[[*])/, "{}") + " \\\\";
    return [
      "% needs \\usepackage{booktabs}", "\\begin{table}", "\\centering", `\\caption{${letters(caption)}}`,
      `\\begin{tabular}{${left.map(one => "rl"[Number(one)]).join("")}}`, "\\toprule", row(heads), "\\midrule",
      ...rows.map(row), "\\bottomrule", "\\end{tabular}", "\\end{table}",
    ];
  },
  markdown({caption, heads, rows, left}) {
    const letters = text => plain(text).replace(new RegExp(SIGNS.markdown, "g"), "\\$&");
    const row = cells => `| ${cells.join(" | ")} |`;
    return [
      row(heads.map(letters)), row(left.map(one => one ? "---" : "---:")),
      ...rows.map(cells => row(cells.map(letters))), "", letters(caption),
    ];
  },
  csv: ({plainHeads, plainRows}) => [plainHeads, ...plainRows].map(row => row.map(csvCell).join(",")),
};

/** What stands in a table of the page. */
function seenIn(table) {
  const [heads, ...rows] = [...table.rows].map(row => [...row.cells].map(cell => cell.innerText.trim().replace(/\n+/g, "; ")));
  const left = [...table.rows[1].cells].map(cell => ["left", "start"].includes(getComputedStyle(cell).textAlign));
  return {heads, rows, left, plainHeads: heads, plainRows: rows};
}

async function putOnClipboard(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {  // the browser has none for this page, or keeps it to itself
    const area = document.createElement("textarea");
    area.value = text;
    area.style.position = "fixed";
    area.style.opacity = "0";
    const before = document.activeElement;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    before.focus();
    if (!done) throw new Error("the browser keeps its clipboard to itself");
  }
}

async function copyTable(button) {
  const box = button.closest(".tabular, .records, .configurations");
  const made = button.parentElement.querySelector("script");
  if (made) return putOnClipboard(JSON.parse(made.textContent)[button.dataset.form]);
  const table = box.querySelector("table");
  if (table.hidden) throw new Error("there is nothing in it");
  const caption = box.querySelector(".caption").textContent;
  const content = box.content ? box.content() : seenIn(table);
  return putOnClipboard(`${WRITERS[button.dataset.form]({caption, ...content}).join("\n")}\n`);
}

onButton("[data-form]", button => copyTable(button), "copied");
