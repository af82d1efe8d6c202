// A page of forecasters: drag a past value or a covariate, and the forecasts with their intervals follow.

import { appearance, button, choice, element, labelled, onChange } from "./dom.js";
import { clampAt, gatesOf } from "./tape.js";

const [HEIGHT, SMALL, EDGE] = [300, 130, 10];
const PRESETS_HELD = [
  ["f", 0],
  ["f", 1],
  ["i", 0],
  ["o", 0],
  ["z", 0],
  ["z", 1],
  ["r", 0],
];
const DASHES = [[], [6, 3], [2, 3]];

/** What can be dragged: [{ input, column, columns, rows, first, name }], a column of an input each; `first` is the row of
 *  the history that its first row belongs to. */
export function columnsOf(model) {
  const { inputs } = model.functions[model.entry];
  // A history may be longer than the rows of covariates; known ones go on beyond its end.
  const [past] = inputs.find(({ name }) => name === "values").shape;
  const [ahead] = model.functions[model.entry].outputs[0].shape;
  const firstRow = (name, rows) => past - rows + (name === "known" ? ahead : 0);
  return inputs.flatMap(({ name, shape, meaning }) => {
    if (name === "times" || shape.length !== 2) return [];
    const [, last, first] = /rows of ([^;]+)|^([^:]+): the last/.exec(meaning) ?? [];
    const names = name === "values" ? model.facts.columns : (last ?? first ?? name);
    const each =
      names.split(", ").length === shape[1]
        ? names.split(", ")
        : Array.from({ length: shape[1] }, (_, n) => `${name} ${n + 1}`);
    return each.map((column, place) => ({
      input: name,
      column: place,
      columns: shape[1],
      rows: shape[0],
      first: firstRow(name, shape[0]),
      name: column,
    }));
  });
}

/** Lowest and highest of some numbers, with a margin; numbers that are not finite are left out. */
export function extent(numbers) {
  const known = numbers.filter(Number.isFinite);
  if (known.length === 0) return [0, 1];
  const [low, high] = [Math.min(...known), Math.max(...known)];
  const margin = (high - low) * 0.06 || Math.abs(high) * 0.1 || 1;
  return [low - margin, high + margin];
}

export const rounded = (value) => (Number.isFinite(value) ? String(Number(value.toPrecision(4))) : "missing");

export class ForecastView {
  constructor(root, { runs, colours }) {
    const [{ model, examples }] = runs;
    Object.assign(this, { root, runs, colours, examples, rules: [], columns: columnsOf(model) });
    this.horizon = model.functions[model.entry].outputs[0].shape[0];
    this.lookback = model.functions[model.entry].inputs.find(({ name }) => name === "values").shape[0];
    this.levels = (model.facts.intervals.match(/\d+/g) ?? []).map(Number);
    this.targets = this.columns.filter(({ input }) => input === "values");
    [this.target] = this.targets;
    this.build();
    onChange(() => this.refresh());
    this.use(0);
  }

  build() {
    const { model } = this.runs[0];
    const windows = this.examples.map((inputs, place) => {
      const time =
        inputs.times && new Date(1000 * inputs.times[inputs.times.length - this.horizon - 1]).toISOString().slice(0, 16).replace("T", " ");
      return [place, time ? `rows to ${time}` : `window ${place + 1} of ${this.examples.length}`];
    });
    this.window = choice(windows, () => this.use(Number(this.window.value)));
    const tools = [labelled("Held-out rows", this.window)];
    if (this.targets.length > 1) {
      const target = choice(
        this.targets.map(({ name }, place) => [place, name]),
        () => {
          this.target = this.targets[Number(target.value)];
          this.refresh();
        },
      );
      tools.push(labelled("Column", target));
    }
    for (const { name, vocabulary } of model.functions[model.entry].inputs) {
      if (vocabulary === null) continue;
      const series = choice(
        model.vocabularies[vocabulary].entries.map((one, number) => [number, one]),
        () => {
          this.inputs[name] = Number(series.value);
          this.before = this.forecasts([]);
          this.refresh();
        },
      );
      this.series = { name, choice: series };
      tools.push(labelled("Read as", series));
    }
    this.number = element("input", {
      type: "number",
      step: "any",
      "aria-label": "the selected value",
      change: () => this.set(this.number.valueAsNumber),
    });
    const reset = button("Undo all changes", () => this.use(Number(this.window.value)));
    this.said = element("output", { role: "status" });
    const known = new Set(this.runs.flatMap((run) => gatesOf(run.model).map(({ gate }) => gate)));
    const presets = PRESETS_HELD.filter(([gate]) => known.has(gate)).map(([gate, value]) => {
      const press = button(`${gate} = ${value}`, () => this.hold(gate, value, press), {
        "aria-pressed": "false",
      });
      return press;
    });
    this.plots = [
      this.plot(null),
      ...this.columns
        .filter(({ input }) => input !== "values")
        .slice(0, 8)
        .map((one) => this.plot(one)),
    ];
    this.legend = element("div", { class: "key" });
    this.table = element("table", {});
    this.root.append(
      element(
        "section",
        {},
        element("h2", {}, "Drag a past value"),
        element("div", { class: "tools" }, ...tools, reset),
        this.legend,
        ...this.plots.map(({ box }) => box),
        element("div", { class: "tools" }, labelled("Selected value", this.number), this.said),
      ),
      element(
        "section",
        {},
        element("h2", {}, "What if a gate were held?"),
        element("div", { class: "tools" }, ...presets),
      ),
      element(
        "section",
        {},
        element(
          "details",
          {},
          element("summary", {}, "The forecast as a table"),
          element("div", { class: "box", tabindex: 0 }, this.table),
        ),
      ),
    );
    this.chosen = { plot: this.plots[0], row: this.lookback - 1 };
  }

  plot(column) {
    const canvas = element("canvas", { tabindex: 0, role: "application" });
    const plot = { canvas, own: column, box: element("div", { class: "plot" }) };
    if (column) plot.box.append(element("div", { class: "soft" }, column.name));
    plot.box.append(canvas);
    canvas.addEventListener("pointerdown", (event) => {
      this.chosen = { plot, row: this.rowAt(plot, event.offsetX) };
      this.isDragging = true;
      canvas.setPointerCapture(event.pointerId);
      this.refresh();
    });
    canvas.addEventListener("pointermove", (event) => {
      if (this.isDragging) this.set(plot.value(event.offsetY));
    });
    for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => (this.isDragging = false));
    canvas.addEventListener("keydown", (event) => this.key(plot, event));
    return plot;
  }

  column(plot) {
    return plot.own ?? this.target;
  }

  place({ plot, row }) {
    const { column, columns } = this.column(plot);
    return row * columns + column;
  }

  rowAt(plot, x) {
    const row = Math.round((x - EDGE) / plot.step) - this.column(plot).first;
    return Math.max(0, Math.min(this.column(plot).rows - 1, row));
  }

  // What the reader does.

  use(place) {
    this.inputs = Object.fromEntries(
      Object.entries(this.examples[place]).map(([name, values]) => [
        name,
        Array.isArray(values) ? values.map((one) => one ?? NaN) : values,
      ]),
    );
    if (this.series) this.series.choice.value = this.inputs[this.series.name];
    this.original = structuredClone(this.inputs);
    this.before = this.forecasts([]);
    this.refresh();
  }

  set(value) {
    const { plot } = this.chosen;
    this.inputs[this.column(plot).input][this.place(this.chosen)] = value;
    this.refresh();
  }

  hold(gate, value, press) {
    const isHeld = press.getAttribute("aria-pressed") === "true";
    press.setAttribute("aria-pressed", String(!isHeld));
    this.rules = this.rules.filter((rule) => rule.press !== press);
    if (!isHeld) this.rules.push({ gate, value, press });
    this.refresh();
  }

  key(plot, event) {
    const { rows, first } = this.column(plot);
    if (this.chosen.plot !== plot) this.chosen = { plot, row: this.lookback - 1 - first };
    const now = this.inputs[this.column(plot).input][this.place(this.chosen)];
    const step = ((plot.high - plot.low) / 50) * (event.shiftKey ? 5 : 1);
    const move = (by) => (this.chosen = { plot, row: Math.max(0, Math.min(rows - 1, this.chosen.row + by)) });
    const act = {
      ArrowLeft: () => move(-1),
      ArrowRight: () => move(1),
      Home: () => move(-rows),
      End: () => move(rows),
      ArrowUp: () => this.set(now + step),
      ArrowDown: () => this.set(now - step),
      Delete: () => this.set(this.original[this.column(plot).input][this.place(this.chosen)]),
    }[event.key];
    if (act === undefined) return;
    event.preventDefault();
    act();
    this.refresh();
  }

  // Computing and drawing.

  forecasts(rules) {
    return this.runs.map(({ model }) => {
      const own = rules.flatMap(({ gate, value }) =>
        gatesOf(model)
          .filter((one) => one.gate === gate)
          .map(({ name }) => ({ name, value, units: null, from: 0 })),
      );
      return model.run(model.entry, this.inputs, { clamp: clampAt(own, 0) });
    });
  }

  refresh() {
    this.root.setAttribute("aria-busy", "true");
    this.requested ??= requestAnimationFrame(() => {
      this.requested = undefined;
      this.now = this.forecasts(this.rules);
      this.show();
      this.root.setAttribute("aria-busy", "false");
    });
  }

  show() {
    const { style } = appearance(this.colours);
    for (const plot of this.plots) this.draw(plot, style);
    const { plot, row } = this.chosen;
    const value = this.inputs[this.column(plot).input][this.place(this.chosen)];
    if (document.activeElement !== this.number)
      this.number.value = Number.isFinite(value) ? Number(value.toPrecision(6)) : "";
    const back = this.lookback - 1 - row - this.column(plot).first;
    const count = (number) => `${number} row${number === 1 ? "" : "s"}`;
    const when =
      back === 0 ? "the last row" : back > 0 ? `${count(back)} before the last` : `${count(-back)} after the last`;
    this.said.value = `${this.column(plot).name}, ${when}`;
    const swatch = (name, number, dashes) =>
      element(
        "span",
        {},
        element("i", {
          style: `height: 0; border-radius: 0; border-top: .2rem ${dashes} var(--colour-${number + 1})`,
        }),
        name,
      );
    const names = this.runs.map(({ name, colour }, place) => swatch(name, colour, place ? "dashed" : "solid"));
    this.legend.replaceChildren(
      ...[
        ...names,
        "thin: before any change",
        ...(this.levels.length ? [`bands: ${this.levels.join(" and ")} %`] : []),
      ].map((one) => element("span", {}, one)),
    );
    this.tabulate();
  }

  of(found, step, name, level = 0) {
    const place = step * this.targets.length + this.target.column;
    return name === "point" ? found.point[place] : found[name]?.[place * this.levels.length + level];
  }

  tabulate() {
    const widest = this.levels.length - 1;
    const heads = this.runs.flatMap(({ name }) => [
      name,
      ...(this.levels.length ? [`${this.levels[widest]} % from`, "to"] : []),
    ]);
    const rows = Array.from({ length: this.horizon }, (_, step) => {
      const cells = this.now.flatMap((found) => [
        this.of(found, step, "point"),
        ...(this.levels.length ? ["low", "high"].map((name) => this.of(found, step, name, widest)) : []),
      ]);
      return element(
        "tr",
        {},
        element("td", {}, String(step + 1)),
        ...cells.map((value) => element("td", { class: "number" }, rounded(value))),
      );
    });
    const head = element("tr", {}, ...["step", ...heads].map((name) => element("th", { scope: "col" }, name)));
    this.table.replaceChildren(
      element("caption", { class: "unseen" }, `Forecast of ${this.target.name}`),
      head,
      ...rows,
    );
  }

  draw(plot, style) {
    const { canvas } = plot;
    const column = this.column(plot);
    const [ratio, wide, tall] = [window.devicePixelRatio || 1, canvas.clientWidth, plot.own ? SMALL : HEIGHT];
    Object.assign(canvas, { width: Math.round(wide * ratio), height: Math.round(tall * ratio) });
    canvas.style.height = `${tall}px`;
    canvas.setAttribute(
      "aria-label",
      `${column.name}: left and right select a row, up and down change its value, Delete undoes it`,
    );
    const context = canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    const rows = Array.from(
      { length: column.rows },
      (_, row) => this.inputs[column.input][row * column.columns + column.column],
    );
    const steps = Array.from({ length: this.horizon }, (_, step) => step);
    const ends = plot.own
      ? []
      : this.now.flatMap((found) =>
          steps.flatMap((step) =>
            ["point", "low", "high"].map((name) => this.of(found, step, name, this.levels.length - 1)),
          ),
        );
    if (!this.isDragging || plot.low === undefined) [plot.low, plot.high] = extent([...rows, ...ends]);
    plot.step = (wide - 2 * EDGE) / (this.lookback + this.horizon - 1);
    const x = (row) => EDGE + row * plot.step;
    const y = (value) => EDGE + ((plot.high - value) / (plot.high - plot.low)) * (tall - 2 * EDGE);
    plot.value = (at) => plot.high - ((at - EDGE) / (tall - 2 * EDGE)) * (plot.high - plot.low);
    const line = (from, values, colour, width, dashes = []) => {
      context.beginPath();
      context.setLineDash(dashes);
      Object.assign(context, { strokeStyle: colour, lineWidth: width });
      let isOn = false;
      values.forEach((value, row) => {
        if (Number.isFinite(value)) context[isOn ? "lineTo" : "moveTo"](x(from + row), y(value));
        isOn = Number.isFinite(value);
      });
      context.stroke();
      context.setLineDash([]);
    };
    context.font = style.words;
    context.fillStyle = style.soft;
    context.fillText(rounded(plot.high), EDGE + 2, EDGE + 12);
    context.fillText(rounded(plot.low), EDGE + 2, tall - EDGE);
    Object.assign(context, { strokeStyle: style.line, lineWidth: 1 });
    context.strokeRect(x(this.lookback - 0.5), 0, 0, tall);
    if (!plot.own) this.drawForecasts(context, { x, y, line, style, steps });
    line(column.first, rows, style.ink, 1.5);
    const isThick = plot.step > 7;
    context.fillStyle = style.ink;
    rows.forEach((value, row) => {
      const isChanged = !Object.is(value, this.original[column.input][row * column.columns + column.column]);
      if (!Number.isFinite(value) || !(isThick || isChanged)) return;
      context.fillStyle = isChanged ? style.accent : style.ink;
      context.beginPath();
      context.arc(x(column.first + row), y(value), isChanged ? 4.5 : 2.5, 0, 2 * Math.PI);
      context.fill();
    });
    if (this.chosen.plot !== plot) return;
    const { row } = this.chosen;
    Object.assign(context, { strokeStyle: style.accent, lineWidth: 2 });
    context.beginPath();
    context.arc(x(column.first + row), y(Number.isFinite(rows[row]) ? rows[row] : (plot.low + plot.high) / 2), 7, 0, 2 * Math.PI);
    context.stroke();
  }

  drawForecasts(context, { x, y, line, style, steps }) {
    this.now.forEach((found, place) => {
      const colour = style.own(this.runs[place].colour);
      if (found.low) {
        for (let level = this.levels.length - 1; level >= 0; level--) {
          context.beginPath();
          for (const step of steps) context.lineTo(x(this.lookback + step), y(this.of(found, step, "low", level)));
          for (const step of [...steps].reverse())
            context.lineTo(x(this.lookback + step), y(this.of(found, step, "high", level)));
          Object.assign(context, { fillStyle: colour, globalAlpha: 0.16 });
          context.fill();
          context.globalAlpha = 1;
        }
      }
      line(
        this.lookback,
        steps.map((step) => this.of(this.before[place], step, "point")),
        colour,
        1,
      );
      line(
        this.lookback,
        steps.map((step) => this.of(found, step, "point")),
        colour,
        2.5,
        DASHES[place % DASHES.length],
      );
    });
  }
}
