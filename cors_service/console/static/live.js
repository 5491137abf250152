// Keeps the overview up to date, and draws its traffic out of the table that shows the same figures.
"use strict";

(() => {
  const area = document.getElementById("live");
  let plot = null;
  let source = null;

  function colour(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  }

  function figures() {
    const rows = [...area.querySelectorAll("#traffic tbody tr")];
    const columns = [rows.map((row) => Date.parse(row.querySelector("time").dateTime) / 1000)];
    for (const place of [0, 1, 2, 4]) {
      columns.push(rows.map((row) => Number(row.querySelectorAll("td")[place].textContent)));
    }
    return columns;
  }

  function draw() {
    const place = document.getElementById("plot");
    if (!place) {
      return;
    }
    if (plot) {
      plot.destroy();
    }
    const thin = { stroke: colour("--line"), width: 1 };
    const axis = { stroke: colour("--soft"), grid: thin, ticks: thin };
    // With the day where one begins.
    const clock = (_, times) =>
      times.map((time) => {
        const text = new Date(time * 1000).toISOString();
        return time % 86400 ? text.slice(11, 16) : text.slice(5, 10);
      });
    const line = (label, name, dash) => ({ label, stroke: colour(name), width: 2, dash, points: { show: false } });
    plot = new uPlot(
      {
        width: place.clientWidth,
        height: 240,
        cursor: { drag: { x: false } },
        scales: { y: { range: (_, least, most) => [0, Math.max(most * 1.05, 0.1)] } },
        tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
        axes: [
          { ...axis, values: clock },
          { ...axis, size: 60 },
        ],
        legend: { live: false },
        series: [
          {},
          line("allowed", "--allowed"),
          line("preflights", "--preflights", [8, 3]),
          line("refused", "--refused", [3, 3]),
          line("undecided", "--undecided", [12, 3, 3, 3]),
        ],
      },
      figures(),
      place,
    );
  }

  function take(event) {
    const came = new DOMParser().parseFromString(event.data, "text/html");
    for (const part of came.querySelectorAll(".part")) {
      const old = document.getElementById(part.id);
      // Whoever is reading it with the keyboard is not disturbed.
      if (!old || (old.contains(document.activeElement) && old.querySelector(":focus-visible"))) {
        continue;
      }
      const details = old.querySelector("details");
      if (details && details.open) {
        part.querySelector("details").open = true;
      }
      old.replaceWith(document.adoptNode(part));
      if (part.id === "traffic") {
        plot = null;
        draw();
      }
    }
  }

  // A browser keeps few connections to one place, so pages that nobody sees have none.
  function listen() {
    if (document.hidden && source) {
      source.close();
      source = null;
    } else if (!document.hidden && !source) {
      source = new EventSource(area.dataset.events);
      source.addEventListener("parts", take);
    }
  }

  draw();
  listen();
  document.addEventListener("visibilitychange", listen);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  new ResizeObserver(() => {
    const place = document.getElementById("plot");
    if (plot && place && place.clientWidth) {
      plot.setSize({ width: place.clientWidth, height: 240 });
    }
  }).observe(area);
})();
