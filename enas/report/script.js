"use strict";
// Sorts a table by the column whose heading is pressed; pressed again, the other way round.
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => head.firstElementChild.addEventListener("click", () => {
    const down = head.getAttribute("aria-sort") !== "descending";
    for (const other of heads) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const value = row => {
      const cell = row.cells[column];
      return cell.dataset.v === undefined ? cell.textContent : Number(cell.dataset.v);
    };
    const rows = [...table.tBodies[0].rows].sort((a, b) => {
      const [x, y] = [value(a), value(b)];
      const order = typeof x === "number" ? x - y : x.localeCompare(y);
      return down ? -order : order;
    });
    table.tBodies[0].append(...rows);
  }));
}
// Shows the figures of a chart's lines nearest to the pointer.
const numbers = text => text.split(" ").map(Number);
const written = (value, percent) => percent ? (100 * value).toFixed(2) + "%" : Number(value.toPrecision(5)).toString();
for (const chart of document.querySelectorAll(".chart[data-box]")) {
  const svg = chart.querySelector("svg");
  const [left, right, top, bottom] = numbers(chart.dataset.plot);
  const [low, high] = numbers(chart.dataset.box);
  const lines = [...chart.querySelectorAll(".line")].map(line => (
    {label: line.dataset.label, x: numbers(line.dataset.x), y: numbers(line.dataset.y)}));
  const rule = document.createElementNS("http://www.w3.org/2000/svg", "line");
  const tip = document.createElement("div");
  rule.setAttribute("class", "pointer");
  tip.className = "tip";
  const hide = () => { rule.remove(); tip.remove(); };
  svg.addEventListener("pointerleave", hide);
  svg.addEventListener("pointermove", event => {
    const frame = svg.getBoundingClientRect();
    const at = (event.clientX - frame.left) / frame.width * svg.viewBox.baseVal.width;
    if (at < left || at > right) return hide();
    const x = low + (at - left) / (right - left) * (high - low);
    const nearest = lines.map(line => {
      let best = 0;
      line.x.forEach((value, i) => { if (Math.abs(value - x) < Math.abs(line.x[best] - x)) best = i; });
      return {label: line.label, x: line.x[best], y: line.y[best]};
    });
    for (const [name, value] of Object.entries({x1: at, x2: at, y1: top, y2: bottom})) rule.setAttribute(name, value);
    tip.replaceChildren(...nearest.map(found => {
      const row = document.createElement("div");
      row.textContent = `${found.label} at ${written(found.x)}: ${written(found.y, chart.dataset.percent === "1")}`;
      return row;
    }));
    svg.append(rule);
    chart.append(tip);
    const [outer, room] = [chart.getBoundingClientRect(), chart.clientWidth - tip.offsetWidth - 8];
    tip.style.left = Math.max(8, Math.min(room, event.clientX - outer.left + 12)) + "px";
    tip.style.top = frame.top - outer.top + 4 + "px";
  });
}
