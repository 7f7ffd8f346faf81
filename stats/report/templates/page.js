// Sorting, copying, scroll hints, and open details for links and print. Without it the page is complete but still.
"use strict";
const number = text => {
  const found = text.replace(/,/g, "").match(/[-+]?\d+(\.\d+)?(e[-+]?\d+)?/i);
  return found ? Number(found[0]) : null;
};
const shown = cell => (cell.querySelector(".v") || cell).textContent.trim();

function sortBy(table, column, head) {
  const upward = head.getAttribute("aria-sort") !== "ascending";
  table.querySelectorAll("[aria-sort]").forEach(other => other.removeAttribute("aria-sort"));
  head.setAttribute("aria-sort", upward ? "ascending" : "descending");
  const key = row => shown(row.cells[column]);
  const rows = [...table.tBodies[0].rows];
  const numeric = !head.classList.contains("text");
  rows.sort((a, b) => {
    const [x, y] = numeric ? [number(key(a)), number(key(b))] : [key(a), key(b)];
    if (x === null || y === null) return (x === null) - (y === null); // a dash stands last both ways
    const order = numeric ? x - y : x.localeCompare(y, undefined, { numeric: true });
    return upward ? order : -order;
  });
  table.tBodies[0].append(...rows);
}

function asCsv(table) {
  const quote = text => (/[",\n]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text);
  const heads = [...table.tHead.rows].at(-1);
  const groups = [];
  if (table.tHead.rows.length > 1) {
    for (const cell of table.tHead.rows[0].cells) groups.push(...Array(cell.colSpan).fill(shown(cell)));
  }
  const first = [...heads.cells].map((cell, i) => [groups[i], shown(cell)].filter(Boolean).join(" "));
  const rows = [...table.tBodies, ...(table.tFoot ? [table.tFoot] : [])].flatMap(part => [...part.rows]);
  return [first, ...rows.map(row => [...row.cells].map(shown))].map(row => row.map(quote).join(",")).join("\n") + "\n";
}

async function copy(text, button) {
  const before = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
  } catch { // a page from a file may not write to the clipboard
    const area = Object.assign(document.createElement("textarea"), { value: text });
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
    button.focus();
  }
  button.textContent = "Copied";
  setTimeout(() => (button.textContent = before), 1500);
}

function equip(sheet) {
  const table = sheet.querySelector("table");
  const tools = sheet.querySelector(".tools");
  const name = sheet.querySelector("figcaption").textContent.trim();
  const buttons = { "Copy as CSV": () => asCsv(table) };
  const latex = sheet.querySelector("template");
  if (latex) buttons["Copy as LaTeX"] = () => latex.content.textContent;
  for (const [label, make] of Object.entries(buttons)) {
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: label });
    button.setAttribute("aria-label", `${label}: ${name}`);
    button.onclick = () => copy(make(), button);
    tools.append(button);
  }
  if (!sheet.dataset.sortable) return;
  [...[...table.tHead.rows].at(-1).cells].forEach((head, column) => {
    // Beside the text, not around it: a head that is repeated on the next printed page loses its buttons.
    const button = Object.assign(document.createElement("button"), { type: "button" });
    button.setAttribute("aria-label", `Sort by ${head.textContent.trim()}`);
    head.append("\u00a0", button);
    head.onclick = () => sortBy(table, column, head);
  });
}

function hints() {
  document.querySelectorAll(".scroll").forEach(box => {
    const more = box.scrollWidth > box.clientWidth + 2;
    box.parentElement.classList.toggle("more", more);
    if (more) box.tabIndex = 0; else box.removeAttribute("tabindex");
  });
}

function openTarget() {
  const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  for (let part = target; part; part = part.parentElement) if (part.tagName === "DETAILS") part.open = true;
  if (target) target.scrollIntoView();
}

document.querySelectorAll(".sheet").forEach(equip);
document.addEventListener("toggle", hints, true);
addEventListener("resize", hints);
addEventListener("hashchange", openTarget);
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach(part => (part.open = true)));
hints();
openTarget();
