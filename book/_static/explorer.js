// The explorer: draws the maps in explorer_data.js (made by helpers.run.explorer) and the years of a cell.

(async () => {
  const at = (id) => document.getElementById(`explorer-${id}`);
  if (!window.EXPLORER || !window.DecompressionStream) {
    at("about").textContent = window.EXPLORER ? "These maps need a browser of 2023 or later." : "The file explorer_data.js was not found.";
    return;
  }
  const { label, lat, lon, years, layers, arrays, series, ends, factor } = window.EXPLORER;
  const [NO_NUMBER, NO_CLASS] = [2 ** 16 - 1, 2 ** 8 - 1];
  const SOUTH = -60, NORTH = 85; // as on the maps of the chapters

  // --- what was packed -------------------------------------------------------------------------------------------

  const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const inflated = async (text) => {
    const stream = new Blob([bytes(text)]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  };

  const bits = await inflated(window.EXPLORER.cells);
  const size = lat.size * lon.size, count = window.EXPLORER.count;
  const cellAt = new Int32Array(size).fill(-1); // cell of a place of the grid, row by row
  const placeOf = new Int32Array(count);
  for (let place = 0, cell = 0; place < size; place++)
    if (bits[place >> 3] & (128 >> (place & 7))) { placeOf[cell] = place; cellAt[place] = cell++; }

  const opened = new Map();
  /** Unpack a field: numbers as (year, cell) with NaN where missing, or flags. */
  function unpacked(name) {
    if (!opened.has(name)) opened.set(name, inflated(arrays[name].data).then((raw) => {
      const { decimals, base } = arrays[name];
      if (decimals === undefined) return raw;
      const n = raw.length / 2, whole = new Uint16Array(n), values = new Float64Array(n);
      for (let i = 0; i < n; i++) {
        whole[i] = raw[i] + 256 * raw[n + i] + (i < count ? 0 : whole[i - count]);
        values[i] = whole[i] === NO_NUMBER ? NaN : (whole[i] + base) / 10 ** decimals;
      }
      return values;
    }));
    return opened.get(name);
  }

  const minus = (text) => text.replace("-", "−");
  const number = (value, name) => minus(value.toFixed(Math.max(0, arrays[name].decimals)));
  const degrees = (value, [plus, less]) => `${Math.abs(value).toFixed(2).replace(/\.?0+$/, "")}° ${value < 0 ? less : plus}`;
  const latOf = (place) => lat.first + lat.step * Math.floor(place / lon.size);
  const lonOf = (place) => lon.first + lon.step * (place % lon.size);
  const named = (place) => `${degrees(latOf(place), "NS")}, ${degrees(lonOf(place), "EW")}`;

  /** What a layer says of a cell in a year, in words. */
  async function told(layer, cell, year, whole = false) {
    const values = await unpacked(layer.key);
    if (cell < 0) return "no prediction";
    const value = values[layer.yearly ? year * count + cell : cell];
    if (layer.classes) return layer.classes.find((each) => each.flag === value)?.name ?? "no value";
    if (Number.isNaN(value)) return "no value";
    const words = [`${number(value, layer.key)} ${layer.units}`.trim()];
    if (layer.interval) {
      const [low, high] = await Promise.all(["<", ">"].map((end) => unpacked(layer.key + end)));
      words.push(`(${number(low[cell], layer.key + "<")} to ${number(high[cell], layer.key + ">")})`);
    }
    if (layer.doubt && (await unpacked(layer.key + "?"))[cell]) words.push(`(${layer.doubt})`);
    return words.join(" ");
  }

  // --- what is looked at -----------------------------------------------------------------------------------------

  const view = { layer: layers[0], year: years.length - 1, cursor: -1, pinned: -1, zoom: 1, doubt: true, centre: [0, 0] };
  const nearest = (latitude, longitude) => {
    const row = Math.round((latitude - lat.first) / lat.step), column = Math.round((longitude - lon.first) / lon.step);
    return row >= 0 && row < lat.size && column >= 0 && column < lon.size ? row * lon.size + column : -1;
  };

  /** Take over what the address says; what it doesn't say, or says wrongly, stays as it is. */
  function fromAddress() {
    const said = new URLSearchParams(location.hash.slice(1));
    view.layer = layers.find((layer) => layer.key === said.get("layer")) ?? view.layer;
    if (years.includes(Number(said.get("year")))) view.year = years.indexOf(Number(said.get("year")));
    const [latitude, longitude] = (said.get("at") ?? "").split(",").map(Number);
    const place = said.has("at") ? nearest(latitude, longitude) : -1;
    if (place >= 0) view.cursor = view.pinned = place;
    if ([1, 2, 4, 8].includes(Number(said.get("zoom")))) zoomTo(Number(said.get("zoom")), false);
    return said.has("layer") || said.has("at");
  }
  function toAddress() {
    const parts = { layer: view.layer.key, year: years[view.year] };
    if (view.pinned >= 0) parts.at = `${+latOf(view.pinned).toFixed(3)},${+lonOf(view.pinned).toFixed(3)}`;
    if (view.zoom > 1) parts.zoom = view.zoom;
    const hash = "#" + Object.entries(parts).map((part) => part.join("=")).join("&");
    if (location.hash !== hash) location.replace(hash);
  }

  // --- the map ---------------------------------------------------------------------------------------------------

  const box = at("map"), canvas = at("canvas"), paper = canvas.getContext("2d");
  const layerOfCells = document.createElement("canvas");
  const equalEarth = d3.geoEqualEarth().rotate([0, 0]);
  const edge = (axis, end) => axis.first + axis.step * (end ? axis.size - 0.5 : -0.5);
  const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
  const bounds = {
    south: Math.max(SOUTH, Math.min(edge(lat, 0), edge(lat, 1))), north: Math.min(NORTH, Math.max(edge(lat, 0), edge(lat, 1))),
    west: edge(lon, 0), east: edge(lon, 1),
  };
  let seen; // cell of each dot of the canvas; -1 where there is none

  /** Fit the projection to the box; find the cell below each dot. On this projection a row of dots is one latitude. */
  function layOut() {
    const dots = Math.min(2, devicePixelRatio || 1), width = Math.round(box.clientWidth * dots);
    equalEarth.scale(1).translate([0, 0]);
    const middle = clamp(0, bounds.south, bounds.north);
    const corners = [bounds.south, middle, bounds.north].flatMap((y) => [bounds.west, bounds.east].map((x) => equalEarth([x, y])));
    const [xs, ys] = [0, 1].map((k) => corners.map((corner) => corner[k]));
    const [left, right, top, bottom] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
    const height = clamp(Math.round((width * (bottom - top)) / (right - left)), 120, width);
    const scale = view.zoom * Math.min((width - 4) / (right - left), (height - 4) / (bottom - top));
    const half = [width / scale / 2, height / scale / 2];
    const kept = [[left, right], [top, bottom]].map(([low, high], k) =>
      high - low <= 2 * half[k] ? (low + high) / 2 : clamp(view.zoom > 1 ? view.centre[k] : (low + high) / 2, low + half[k], high - half[k]));
    view.centre = kept;
    equalEarth.scale(scale).translate([width / 2 - kept[0] * scale, height / 2 - kept[1] * scale]);
    for (const each of [canvas, layerOfCells]) Object.assign(each, { width, height });
    canvas.style.aspectRatio = `${width} / ${height}`;
    seen = new Int32Array(width * height).fill(-1);
    const [middleX] = equalEarth.translate();
    for (let y = 0; y < height; y++) {
      const latitude = equalEarth.invert([middleX, y + 0.5])[1];
      if (!(latitude >= bounds.south && latitude <= bounds.north)) continue;
      const row = Math.floor((latitude - edge(lat, 0)) / lat.step), perDegree = equalEarth([1, latitude])[0] - middleX;
      for (let x = 0; x < width; x++) {
        const longitude = (x + 0.5 - middleX) / perDegree, column = Math.floor((longitude - edge(lon, 0)) / lon.step);
        if (Math.abs(longitude) <= 180 && column >= 0 && column < lon.size) seen[y * width + x] = row * lon.size + column;
      }
    }
    box.classList.toggle("near", view.zoom > 1);
  }

  const packedColour = (red, green, blue) => (255 << 24) | (blue << 16) | (green << 8) | red;
  /** A colour half way to grey: what is in doubt, between the lines of its hatching. */
  const pale = (colour) => packedColour(...[0, 8, 16].map((shift) => (((colour >> shift) & 255) + 0xd0) >> 1));
  const ofHex = (hex) => packedColour(...[1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16)));
  const LINE = ofHex("#6e6e6e");
  const style = (name) => getComputedStyle(at("map").parentElement).getPropertyValue(name).trim();
  const tables = Object.fromEntries(Object.entries(window.EXPLORER.colours).map(([name, text]) => [name, bytes(text)]));
  const dots = (table) => Uint32Array.from({ length: 256 }, (_, i) => packedColour(...table.slice(3 * i, 3 * i + 3)));

  /** The colour of each cell. */
  function coloured(layer, values) {
    const start = layer.yearly ? view.year * count : 0, blank = ofHex(style("--blank")), colours = new Uint32Array(count);
    if (layer.classes) {
      const flags = new Map(layer.classes.map(({ flag, colour }) => [flag, ofHex(colour)]));
      for (let i = 0; i < count; i++) colours[i] = flags.get(values[start + i]) ?? blank;
    } else {
      const { low, high } = ends[layer.scale], table = dots(tables[layer.diverging ? "diverging" : "sequential"]);
      for (let i = 0; i < count; i++) {
        const value = values[start + i];
        colours[i] = Number.isNaN(value) ? blank : table[clamp(Math.floor((256 * (value - low)) / (high - low)), 0, 255)];
      }
    }
    return colours;
  }

  let drawing = 0, under; // the picture without cursor
  async function draw() {
    const mine = ++drawing, { layer } = view;
    const [values, doubts] = await Promise.all([unpacked(layer.key), layer.doubt ? unpacked(layer.key + "?") : null]);
    if (mine !== drawing) return;
    const { width, height } = canvas, image = new ImageData(width, height);
    const picture = new Uint32Array(image.data.buffer), colours = coloured(layer, values), paler = colours.map(pale);
    const unit = width / box.clientWidth, every = Math.round(5 * unit), thick = Math.max(1, Math.round(1.3 * unit));
    for (let p = 0, x = 0, y = 0; p < seen.length; p++) {
      const cell = seen[p] < 0 ? -1 : cellAt[seen[p]];
      if (cell >= 0) picture[p] = !(view.doubt && doubts?.[cell]) ? colours[cell] : (x + y) % every < thick ? LINE : paler[cell];
      if (++x === width) { x = 0; y++; }
    }
    layerOfCells.getContext("2d").putImageData(image, 0, 0);
    paper.clearRect(0, 0, width, height);
    edgeOfMap();
    land();
    paper.fillStyle = style("--land");
    paper.fill("evenodd");
    paper.drawImage(layerOfCells, 0, 0);
    land();
    paper.lineWidth = 0.7 * unit;
    paper.strokeStyle = style("--coast");
    paper.stroke();
    under = paper.getImageData(0, 0, width, height);
    const start = layer.yearly ? view.year * count : 0, here = values.subarray(start, start + count);
    legend(here.some((value) => (layer.classes ? value === NO_CLASS : Number.isNaN(value))));
    mark();
  }

  function edgeOfMap() {
    const sides = Array.from({ length: 61 }, (_, k) => bounds.south + ((bounds.north - bounds.south) * k) / 60);
    const [west, east] = [Math.max(bounds.west, -179.999), Math.min(bounds.east, 179.999)];
    paper.beginPath();
    [...sides.map((y) => [west, y]), ...sides.reverse().map((y) => [east, y])].forEach((corner, k) =>
      k ? paper.lineTo(...equalEarth(corner)) : paper.moveTo(...equalEarth(corner)));
    paper.closePath();
    Object.assign(paper, { lineWidth: canvas.width / box.clientWidth, strokeStyle: style("--edge") });
    paper.stroke();
  }

  function land() {
    paper.beginPath();
    for (const ring of window.EXPLORER.land) {
      for (let i = 0; i < ring.length; i += 2) {
        // beyond the date line and the poles the projection would go round the globe
        const [x, y] = equalEarth([clamp(ring[i] / 100, -179.999, 179.999), ring[i + 1] / 100]);
        i ? paper.lineTo(x, y) : paper.moveTo(x, y);
      }
      paper.closePath();
    }
  }

  /** Draw the cursor, and the chosen cell, on the picture. */
  function mark() {
    if (!under) return;
    paper.putImageData(under, 0, 0);
    const unit = canvas.width / box.clientWidth;
    for (const [place, inner, dash] of [[view.pinned, "#ffd400", []], [view.cursor, "#ffffff", [3 * unit, 3 * unit]]]) {
      if (place < 0 || (place === view.pinned && inner === "#ffffff")) continue;
      const [h, w] = [Math.abs(lat.step) / 2, lon.step / 2], [y, x] = [latOf(place), lonOf(place)];
      const corners = [[-1, -1], [1, -1], [1, 1], [-1, 1]].map(([a, b]) => equalEarth([clamp(x + a * w, -179.999, 179.999), y + b * h]));
      const centre = equalEarth([x, y]), radius = Math.max(9 * unit, 1.2 * Math.hypot(corners[0][0] - centre[0], corners[0][1] - centre[1]));
      for (const [colour, thick, dashes] of [["#000000", 4, []], [inner, 2, dash]]) {
        Object.assign(paper, { strokeStyle: colour, lineWidth: thick * unit * 0.8 });
        paper.setLineDash(dashes);
        paper.beginPath();
        paper.arc(...centre, radius, 0, 2 * Math.PI);
        paper.stroke();
      }
      paper.setLineDash([]);
      Object.assign(paper, { strokeStyle: "#000000", lineWidth: unit });
      paper.beginPath();
      corners.forEach((corner, k) => (k ? paper.lineTo(...corner) : paper.moveTo(...corner)));
      paper.closePath();
      paper.stroke();
    }
  }

  // --- words -----------------------------------------------------------------------------------------------------

  function made(tag, text = "", options = {}) {
    const element = Object.assign(document.createElement(tag), options);
    element.textContent = text;
    return element;
  }

  function swatch(name, colour, hatched = false) {
    const item = made("li"), square = made("span", "", { className: hatched ? "swatch hatched" : "swatch" });
    if (colour) square.style.backgroundColor = colour;
    item.append(square, name);
    return item;
  }

  function legend(blanks) {
    const { layer } = view, shown = at("legend"), list = made("ul");
    shown.replaceChildren();
    at("about").textContent = layer.about;
    if (layer.classes) list.append(...layer.classes.map(({ name, colour }) => swatch(name, colour)));
    else {
      const { low, high, beyond } = ends[layer.scale], table = tables[layer.diverging ? "diverging" : "sequential"];
      const stops = Array.from({ length: 32 }, (_, k) => Math.round((255 * k) / 31)).map((i) => `rgb(${table.slice(3 * i, 3 * i + 3).join(" ")})`);
      const bar = made("div", "", { className: "bar" }), ticks = made("div", "", { className: "ticks" });
      bar.style.background = `linear-gradient(to right, ${stops.join(", ")})`;
      const digits = clamp(2 - Math.floor(Math.log10(Math.max(Math.abs(low), Math.abs(high)))), 0, 6);
      for (let k = 0; k <= 4; k++) {
        const value = minus((low + ((high - low) * k) / 4).toFixed(digits)).replace(/^−?0(\.0+)?$/, "0");
        ticks.append(made("span", (k === 0 && beyond[0] ? "≤ " : k === 4 && beyond[1] ? "≥ " : "") + value));
      }
      shown.append(bar, ticks, made("p", layer.title + (layer.units && `, ${layer.units}`)));
    }
    if (blanks) list.append(swatch("no value", style("--blank")));
    list.append(swatch("land without a prediction", style("--land")));
    if (layer.doubt) list.append(swatch(layer.doubt, "", true));
    shown.append(list);
    const { decimals } = arrays[layer.key], notes = [];
    if (decimals !== undefined) notes.push(`Rounded to steps of ${Number((10 ** -decimals).toPrecision(1))}.`);
    if (factor > 1) notes.push(`Blocks of ${factor} × ${factor} of the run's cells.`);
    if (notes.length) shown.append(made("p", notes.join(" ")));
  }

  /** Say what is at a place; aloud only where keys moved there. */
  async function say(place, aloud) {
    const readout = at("readout");
    readout.setAttribute("aria-live", aloud ? "polite" : "off");
    if (place < 0) return;
    const { layer, year } = view, biome = layers.find(({ key }) => key === "biome");
    const words = [named(place), await told(layer, cellAt[place], year)];
    if (layer.yearly) words.splice(1, 0, String(years[year]));
    if (biome && biome !== layer && cellAt[place] >= 0) words.push(await told(biome, cellAt[place], 0));
    readout.textContent = words.join(" · ");
  }

  // --- the chosen cell -------------------------------------------------------------------------------------------

  let chart;
  const ofCell = async (key, cell) => {
    const values = await unpacked(key);
    return years.map((_, k) => values[k * count + cell]);
  };
  const faint = (colour) => colour + "33";
  const layerOf = (key) => layers.find((layer) => layer.key === key);

  async function table(element, head, rows) {
    const line = (kind, cells) => {
      const row = made("tr");
      cells.forEach((text, k) => row.append(made(kind === "th" || k ? kind : "th", text, kind === "th" ? { scope: "col" } : k ? {} : { scope: "row" })));
      return row;
    };
    const parts = [made("thead"), made("tbody")];
    parts[0].append(line("th", head));
    parts[1].append(...rows.map((row) => line("td", row)));
    element.replaceChildren(...parts);
  }

  /** The series of a cell: name with unit, and the values of all years. */
  async function columns(cell) {
    const found = [];
    for (const [key, { spread }] of Object.entries(series))
      for (const each of [key, spread].filter(Boolean))
        found.push({ key: each, name: layerOf(each).title.replace(", year by year", ""), units: layerOf(each).units, values: await ofCell(each, cell) });
    return found;
  }

  let showing = 0;
  async function showCell() {
    const mine = ++showing, cell = view.pinned < 0 ? -1 : cellAt[view.pinned], section = at("cell");
    section.hidden = view.pinned < 0;
    if (view.pinned < 0) return;
    at("where").textContent = `Cell ${named(view.pinned)}`;
    at("csv").disabled = cell < 0;
    const rows = [];
    for (const layer of layers) rows.push([layer.title.replace("year by year", years[view.year]), await told(layer, cell, view.year)]);
    const shown = cell < 0 ? [] : await columns(cell);
    if (mine !== showing) return;
    table(at("values"), ["layer", "value"], cell < 0 ? [["this cell", "no prediction"]] : rows);
    table(at("series"), ["year", ...shown.map(({ name, units }) => `${name}, ${units}`)],
      years.map((year, k) => [year, ...shown.map(({ key, values }) => (Number.isNaN(values[k]) ? "" : number(values[k], key)))]));
    chart?.destroy();
    chart = undefined;
    if (cell >= 0) drawChart(shown);
  }

  function drawChart(shown) {
    const ink = getComputedStyle(box).color, rule = style("--edge");
    const [lines, bands, data] = [[{ label: "year", value: (_, year) => (year == null ? "–" : String(year)) }], [], [years]];
    const holes = (values) => values.map((value) => (Number.isNaN(value) ? null : value));
    for (const [key, { spread, colour, dash }] of Object.entries(series)) {
      const { values, name } = shown.find((each) => each.key === key);
      const value = (_, each) => (each == null ? "–" : number(each, key));
      lines.push({ label: name, stroke: colour, width: 2, dash: dash.length ? dash : undefined, value, points: { show: true, size: 4 } });
      data.push(holes(values));
      if (!spread) continue;
      const around = shown.find((each) => each.key === spread).values;
      for (const sign of [1, -1]) {
        lines.push({ label: "", class: "bandline", stroke: "transparent", width: 0, points: { show: false } });
        data.push(holes(values.map((each, k) => each + sign * around[k])));
      }
      bands.push({ series: [lines.length - 2, lines.length - 1], fill: faint(colour) });
    }
    const axis = { stroke: ink, grid: { stroke: rule, width: 1 }, ticks: { stroke: rule, width: 1 }, font: "12px sans-serif", labelFont: "12px sans-serif" };
    const options = {
      width: at("chart").clientWidth, height: 280, series: lines, bands, scales: { x: { time: false } },
      axes: [{ ...axis, values: (_, ticks) => ticks.map((tick) => (Number.isInteger(tick) ? String(tick) : "")) }, { ...axis, label: layerOf(Object.keys(series)[0]).units, labelSize: 22, size: 48 }],
      cursor: { drag: { x: false, y: false } }, legend: { live: true },
    };
    chart = new uPlot(options, data, at("chart"));
    chart.root.querySelectorAll(".u-legend tr").forEach((row, k) => (row.style.display = lines[k].class === "bandline" ? "none" : ""));
  }

  async function download() {
    const cell = cellAt[view.pinned], shown = await columns(cell), quoted = (text) => `"${String(text).replaceAll('"', '""')}"`;
    const where = [latOf(view.pinned), lonOf(view.pinned)].map((value) => +value.toFixed(4));
    const about = [label.world, label.profile, label.commit];
    const head = ["year", "latitude (degrees)", "longitude (degrees)", ...shown.map(({ name, units }) => `${name} (${units})`), "planet", "profile", "commit"];
    const rows = years.map((year, k) => [year, ...where, ...shown.map(({ key, values }) => (Number.isNaN(values[k]) ? "" : values[k].toFixed(Math.max(0, arrays[key].decimals)))), ...about.map(quoted)]);
    const text = [head.map(quoted), ...rows].map((row) => row.join(",") + "\r\n").join("");
    const link = made("a", "", { href: URL.createObjectURL(new Blob([text], { type: "text/csv" })), download: `cell_${where.join("_")}_${label.profile}.csv` });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    return text;
  }

  // --- hands and keys --------------------------------------------------------------------------------------------

  function controls() {
    at("layer").value = view.layer.key;
    at("year").value = view.year;
    at("year-is").textContent = years[view.year];
    at("year").setAttribute("aria-valuetext", years[view.year]);
    at("year").disabled = !view.layer.yearly;
  }

  async function changed({ aloud = false, cell = true } = {}) {
    controls();
    toAddress();
    await draw();
    await say(view.cursor, aloud);
    if (cell) await showCell();
  }

  function zoomTo(zoom, redraw = true) {
    if (view.cursor >= 0) {
      const before = [equalEarth.scale(), equalEarth.translate()];
      view.centre = equalEarth.scale(1).translate([0, 0])([lonOf(view.cursor), latOf(view.cursor)]);
      equalEarth.scale(before[0]).translate(before[1]);
    }
    view.zoom = clamp(zoom, 1, 8);
    layOut();
    if (redraw) changed({ cell: false });
  }

  /** Put the cursor on a place; where it would leave the picture, the picture follows. */
  async function moveTo(place, aloud) {
    view.cursor = place;
    const [x, y] = equalEarth([lonOf(place), latOf(place)]), near = 0.08;
    const out = x < near * canvas.width || x > (1 - near) * canvas.width || y < near * canvas.height || y > (1 - near) * canvas.height;
    if (view.zoom > 1 && out) {
      zoomTo(view.zoom, false);
      await draw();
    } else mark();
    await say(place, aloud);
  }

  const placeUnder = (event) => {
    const { left, top, width, height } = canvas.getBoundingClientRect();
    const x = Math.floor(((event.clientX - left) / width) * canvas.width), y = Math.floor(((event.clientY - top) / height) * canvas.height);
    return x >= 0 && x < canvas.width && y >= 0 && y < canvas.height ? seen[y * canvas.width + x] : -1;
  };

  async function pin(place) {
    view.pinned = view.cursor = place;
    toAddress();
    mark();
    await say(place, true);
    await showCell();
  }

  let pulled;
  box.addEventListener("pointerdown", (event) => {
    pulled = { x: event.clientX, y: event.clientY, centre: view.centre, far: false };
    if (view.zoom > 1) box.setPointerCapture(event.pointerId);
  });
  box.addEventListener("pointermove", (event) => {
    if (pulled && view.zoom > 1 && event.buttons) {
      const [x, y] = [event.clientX - pulled.x, event.clientY - pulled.y].map((shift) => (shift * canvas.width) / box.clientWidth / equalEarth.scale());
      pulled.far ||= Math.hypot(event.clientX - pulled.x, event.clientY - pulled.y) > 5;
      if (!pulled.far) return;
      view.centre = [pulled.centre[0] - x, pulled.centre[1] - y];
      layOut();
      draw();
    } else if (event.pointerType === "mouse") {
      const place = placeUnder(event);
      say(place >= 0 ? place : view.cursor, false);
    }
  });
  box.addEventListener("pointerleave", () => say(view.cursor, false));
  box.addEventListener("click", (event) => {
    const place = placeUnder(event), moved = pulled?.far;
    pulled = undefined;
    if (place >= 0 && !moved) pin(place);
  });

  const MOVES = { ArrowUp: [1, 0], ArrowDown: [-1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
  box.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const start = view.cursor < 0 ? nearest(clamp(0, bounds.south, bounds.north), (bounds.west + bounds.east) / 2) : view.cursor;
    if (MOVES[event.key]) {
      const far = event.shiftKey ? 10 : 1, [north, east] = MOVES[event.key], round = lon.size * lon.step > 359.9;
      const row = clamp(Math.floor(start / lon.size) + far * north * Math.sign(lat.step), 0, lat.size - 1), column = (start % lon.size) + far * east;
      moveTo(row * lon.size + (round ? (column + lon.size) % lon.size : clamp(column, 0, lon.size - 1)), true);
    } else if (event.key === "Enter" || event.key === " ") pin(start);
    else if (event.key === "+" || event.key === "=") zoomTo(view.zoom * 2);
    else if (event.key === "-") zoomTo(view.zoom / 2);
    else if (/^Page(Up|Down)$/.test(event.key) && view.layer.yearly) {
      view.year = clamp(view.year + (event.key === "PageUp" ? 1 : -1), 0, years.length - 1);
      changed({ aloud: true });
    } else return;
    event.preventDefault();
  });
  box.addEventListener("focus", () => {
    if (view.cursor < 0) moveTo(nearest(clamp(0, bounds.south, bounds.north), (bounds.west + bounds.east) / 2), true);
  });

  at("layer").addEventListener("change", (event) => { view.layer = layerOf(event.target.value); changed(); });
  at("year").addEventListener("input", (event) => { view.year = Number(event.target.value); changed(); });
  at("doubt").addEventListener("change", (event) => { view.doubt = event.target.checked; draw(); });
  at("in").addEventListener("click", () => zoomTo(view.zoom * 2));
  at("out").addEventListener("click", () => zoomTo(view.zoom / 2));
  at("csv").addEventListener("click", download);
  addEventListener("hashchange", () => { if (fromAddress()) changed({ aloud: true }); });
  document.querySelectorAll('a[href^="#layer="]').forEach((link) =>
    link.addEventListener("click", () => box.scrollIntoView({ block: "center" })));

  for (const layer of layers) {
    let group = [...at("layer").children].find((each) => each.label === layer.group);
    if (!group) at("layer").append((group = made("optgroup", "", { label: layer.group })));
    group.append(made("option", layer.title, { value: layer.key }));
  }
  Object.assign(at("year"), { min: 0, max: years.length - 1 });
  layOut();
  fromAddress();
  await changed();
  let width = box.clientWidth;
  new ResizeObserver(() => requestAnimationFrame(() => {
    if (box.clientWidth === width || !box.clientWidth) return;
    width = box.clientWidth;
    layOut();
    draw();
    showCell();
  })).observe(box);
  new MutationObserver(() => { draw(); showCell(); }).observe(document.documentElement, { attributeFilter: ["data-theme"] });
  at("map").parentElement.dataset.ready = "yes";
})();
