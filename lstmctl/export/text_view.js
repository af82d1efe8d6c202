// A page of networks that read texts: their predictions after every character, their gates, and the effects of a hold.

import { appearance, bar, button, choice, element, labelled, onChange, percent } from "./dom.js";
import { HeatMap } from "./heat_map.js";
import { LabelTape, TextTape, gatesOf, spoken, unitsFrom, visible } from "./tape.js";

const FRAME = 10; // milliseconds of computing before the next picture
const OUTCOMES_SHOWN = 8;
const LABELS_SHOWN = 12;
const CONTINUED = 60;
const WRITTEN = 400;
const PROBABILITIES = "probabilities";
const NAMES = {
  i: "input gate i",
  f: "forget gate f",
  g: "candidate g",
  o: "output gate o",
  r: "reset gate r",
  z: "update gate z",
  n: "candidate n",
  cell: "cell state",
  hidden: "output",
  real: "state, real part",
  imaginary: "state, imaginary part",
};
const PRESETS = [
  ["f", 0],
  ["f", 1],
  ["i", 0],
  ["i", 1],
  ["o", 0],
  ["z", 0],
  ["z", 1],
  ["r", 0],
  ["r", 1],
];

/** One network of the page: what it reads as it is, and with the rules that hold its gates. */
class Network {
  constructor({ name, model, colour, tracked }, Tape) {
    const gates = gatesOf(model);
    const layers = new Set(gates.map((gate) => gate.layer)).size;
    const titles = gates.map((gate) => [
      gate.name,
      `${NAMES[gate.gate] ?? gate.gate}${layers > 1 ? `, layer ${gate.layer.replace("b", ", backwards")}` : ""}`,
    ]);
    Object.assign(this, { name, model, colour, tracked, gates, words: Object.fromEntries(titles) });
    Object.assign(this, {
      base: new Tape(model),
      altered: null,
      Tape,
      every: new WeakMap(),
      differences: new WeakMap(),
      jobs: [],
    });
  }

  set(text, rules, inputs) {
    this.base.set(text, [], inputs);
    const own = rules.filter((rule) => this.gates.some((gate) => gate.name === rule.name));
    if (own.length === 0) this.altered = null;
    else {
      this.altered ??= new this.Tape(this.model);
      this.altered.set(text, own, inputs);
    }
  }

  get tapes() {
    return this.altered ? [this.base, this.altered] : [this.base];
  }

  get tape() {
    return this.altered ?? this.base;
  }

  /** Values by gate of a frame, as the heat map shows them: `held`, `free`, or the `difference` of the two. */
  values(position, shown) {
    const [held, free] = [this.tape.frames[position], this.base.frames[position]];
    const frame = shown === "free" ? free : held;
    if (!frame?.shown) return null;
    const own = this.all(frame);
    if (shown !== "difference" || !this.altered) return own;
    return free?.shown ? this.difference(own, this.all(free)) : null;
  }

  all(frame) {
    if (!this.every.has(frame)) {
      const more = frame.probabilities ? { [PROBABILITIES]: frame.probabilities } : {};
      this.every.set(frame, { ...more, ...frame.shown });
    }
    return this.every.get(frame);
  }

  difference(own, other) {
    const known = this.differences.get(own);
    if (known?.other === other) return known.values;
    const values = {};
    for (const name of Object.keys(own))
      values[name] = own[name].map((value, unit) => value - (other[name]?.[unit] ?? value));
    this.differences.set(own, { other, values });
    return values;
  }
}

export class TextView {
  /**
   * @param {HTMLElement} root
   * @param {Object} content { kind, runs: [{name, model, examples, tracked, colour}], colours }
   */
  constructor(root, { kind, runs, colours }) {
    this.writes = kind === "writes texts";
    this.networks = runs.map((run) => new Network(run, this.writes ? TextTape : LabelTape));
    const examples = runs[0].examples.length ? runs[0].examples : [{ text: "", inputs: {} }];
    Object.assign(this, { root, colours, examples, rules: [], shown: "held", writing: 0, pinned: null });
    this.selected = [...examples[0].text].length - 1;
    this.inputs = { ...examples[0].inputs };
    this.build();
    onChange(() => {
      this.look = appearance(this.colours);
      this.refresh();
    });
    this.look = appearance(this.colours);
    this.text.value = examples[0].text;
    this.read();
  }

  // What is on the page.

  build() {
    this.text = element("textarea", {
      id: "text",
      rows: 4,
      spellcheck: "false",
      autocapitalize: "off",
      input: () => this.typed(),
    });
    for (const event of ["keyup", "click"]) this.text.addEventListener(event, () => this.followCaret());
    this.notice = element("p", { class: "warning", role: "status", hidden: true });
    this.time = element("input", {
      type: "range",
      min: 0,
      value: 0,
      input: () => this.select(Number(this.time.value)),
    });
    this.timeWords = element("output", {});
    const title = this.writes ? "Type or paste a text" : "Edit the text";
    this.root.append(
      element(
        "section",
        {},
        element("h2", {}, element("label", { for: "text" }, title)),
        this.text,
        this.notice,
        element("div", { class: "tools" }, ...this.writingTools()),
        element(
          "div",
          { class: "tools" },
          element("label", { class: "time" }, "After character", this.time, this.timeWords),
        ),
      ),
      ...(this.networks.some(({ gates }) => gates.length > 0) ? [this.holding()] : []),
      element("section", { "aria-label": "Predictions" }, this.cards()),
      ...this.networks.map((network) => this.mapOf(network)),
    );
  }

  writingTools() {
    const tools = [];
    if (this.examples.length > 1) {
      const words = this.examples.map(({ text }, place) => [place, text.replace(/\s+/g, " ").slice(0, 40)]);
      const example = choice(words, () => this.useExample(Number(example.value)), { style: "width: 14rem" });
      tools.push(labelled("Example", example));
    }
    if (!this.writes) return tools;
    const [{ model }] = this.networks;
    for (const input of model.functions[this.networks[0].base.name].inputs) {
      if (input.state || input.vocabulary === null || input.name === this.networks[0].base.input.name) continue;
      const { entries } = model.vocabularies[input.vocabulary];
      const label = choice(
        entries.map((name, number) => [number, name]),
        () => {
          this.inputs = { ...this.inputs, [input.name]: Number(label.value) };
          this.read();
        },
      );
      this.inputs[input.name] ??= 0;
      label.value = this.inputs[input.name];
      tools.push(labelled(input.name, label));
    }
    this.writer = choice(
      this.networks.map(({ name }, place) => [place, name]),
      () => {},
    );
    if (this.networks.length > 1) tools.push(labelled("Written by", this.writer));
    const temperature = element("output", {}, "0.8");
    this.temperature = element("input", { type: "range", min: 0, max: 1.5, step: 0.1, value: 0.8 });
    this.temperature.addEventListener("input", () => (temperature.value = Number(this.temperature.value).toFixed(1)));
    this.next = button("Next character", () => this.write(1));
    this.on = button("Write on", () => (this.writing ? this.stop() : this.write(WRITTEN)));
    this.cut = button("Cut after the selected character", () =>
      this.replace(this.characters.slice(0, this.selected + 1).join("")),
    );
    return [
      this.next,
      this.on,
      ...tools,
      labelled("Temperature", element("span", { class: "tools", style: "margin: 0" }, this.temperature, temperature)),
      this.cut,
    ];
  }

  holding() {
    const gates = new Map(
      this.networks.flatMap((network) => network.gates.map((gate) => [gate.name, network.words[gate.name]])),
    );
    this.gate = choice([...gates], () => {});
    this.units = element("input", {
      size: 10,
      placeholder: "all",
      "aria-label": "units, such as 3, 7-9; empty for all",
    });
    this.value = element("input", { type: "number", value: 0, step: "any", "aria-label": "value" });
    this.from = choice(
      [
        ["selected", "from the selected character on"],
        ["start", "from the start"],
      ],
      () => {},
      { "aria-label": "from" },
    );
    this.ruleList = element("ul", { class: "rules", "aria-label": "What is held" });
    const known = new Set(this.networks.flatMap(({ gates }) => gates.map(({ gate }) => gate)));
    const presets = PRESETS.filter(([gate]) => known.has(gate)).map(([gate, value]) =>
      button(`${gate} = ${value}`, () => this.holdAll(gate, value)),
    );
    return element(
      "section",
      {},
      element("h2", {}, "What if a gate were held?"),
      ...(presets.length ? [element("div", { class: "tools" }, ...presets, this.from)] : []),
      element(
        "form",
        { class: "tools", submit: (event) => this.hold(event) },
        labelled("Gate or state", this.gate),
        labelled("units", this.units),
        labelled("held at", this.value),
        ...(presets.length ? [] : [this.from]),
        element("button", {}, "Hold"),
      ),
      this.ruleList,
    );
  }

  cards() {
    const box = element("div", { class: "networks" });
    for (const network of this.networks) {
      network.score = element("p", { class: "soft" });
      network.outcomes = element("ol", { class: `outcomes${this.writes ? "" : " labels"}` });
      network.continuation = element("div", {});
      const title = this.networks.length > 1 ? network.name : this.writes ? "The next character" : "The labels";
      box.append(
        element(
          "div",
          { class: "card network", style: `--own: var(--colour-${network.colour + 1})` },
          element("h3", {}, title),
          network.score,
          network.outcomes,
          network.continuation,
        ),
      );
    }
    return box;
  }

  mapOf(network) {
    const title = network.gates.length ? "Gates and states" : "Probabilities along the text";
    const canvas = element("canvas", {
      tabindex: 0,
      role: "application",
      "aria-label": `${title} of ${network.name}. Arrow keys move in time and between units; page keys between bands.`,
      mousemove: (event) => this.hover(network, event),
      mouseleave: () => this.describe(network, this.selected, this.pinned),
      click: (event) => this.pick(network, event),
      keydown: (event) => this.key(network, event),
    });
    const box = element("div", { class: "scroller", scroll: () => this.paint(network) }, element("div", {}, canvas));
    const band = {
      name: PROBABILITIES,
      gate: PROBABILITIES,
      layer: "",
      isShare: true,
    };
    network.words[PROBABILITIES] = this.writes ? "probabilities of the next character" : "probabilities of the labels";
    network.map = new HeatMap(canvas, [band, ...network.gates]);
    network.hover = element("p", { class: "hover", role: "status" });
    network.key = element("div", { class: "key" });
    const shown = choice(
      [
        ["held", "with what is held"],
        ["free", "as it is"],
        ["difference", "the difference"],
      ],
      () => {
        this.shown = shown.value;
        this.refresh();
      },
    );
    network.shownTools = element("div", { class: "tools", hidden: true }, labelled("Show the network", shown));
    network.silence = button("Silence this unit", () => this.silence(network), { hidden: true });
    return element(
      "section",
      {},
      element("h2", {}, this.networks.length > 1 ? `${title} of ${network.name}` : title),
      ...(network.tracked.length ? [this.trackers(network)] : []),
      network.shownTools,
      network.key,
      box,
      element("div", { class: "tools" }, network.hover, network.silence),
    );
  }

  /** Buttons of the units that track a property of texts. */
  trackers(network) {
    const buttons = network.tracked.map(({ what, name, unit, correlation }) => {
      const show = () => this.pin(network, network.map.bands.find((band) => band.name === name) ?? { name }, unit);
      return button(what, show, {
        title: `${network.words[name]}, unit ${unit}: correlation ${correlation.toFixed(2)} on other data`,
      });
    });
    return element("div", { class: "tools" }, element("span", { class: "soft" }, "Units that track"), ...buttons);
  }

  // What the reader does.

  get characters() {
    return [...this.text.value];
  }

  typed() {
    this.stop();
    this.selected = [...this.text.value.slice(0, this.text.selectionStart)].length - 1;
    this.read();
  }

  followCaret() {
    const place = [...this.text.value.slice(0, this.text.selectionStart)].length - 1;
    if (place >= 0) this.select(place);
  }

  replace(text) {
    this.stop();
    this.text.value = text;
    this.selected = this.characters.length - 1;
    this.read();
  }

  useExample(place) {
    this.inputs = { ...this.inputs, ...this.examples[place].inputs };
    this.replace(this.examples[place].text);
  }

  select(position) {
    this.selected = Math.max(-1, Math.min(position, this.networks[0].base.text.length - 1));
    for (const network of this.networks) network.map.reveal(this.selected);
    this.refresh();
  }

  holdAll(gate, value) {
    const names = [
      ...new Set(
        this.networks.flatMap(({ gates }) => gates.filter((one) => one.gate === gate).map(({ name }) => name)),
      ),
    ];
    this.addRule({ names, words: `${gate} = ${value}`, value, units: null });
  }

  hold(event) {
    event.preventDefault();
    const name = this.gate.value;
    const network = this.networks.find(({ gates }) => gates.some((gate) => gate.name === name));
    const count = network.map.bands.find((band) => band.name === name)?.units ?? Infinity;
    const units = unitsFrom(this.units.value, count);
    const value = this.value.valueAsNumber;
    if (units === undefined) return this.tell(`Units are numbers from 0 to ${count - 1}, such as 3, 7-9.`);
    if (!Number.isFinite(value)) return this.tell("The value to hold is not a number.");
    return this.addRule({ names: [name], words: `${network.words[name]} = ${value}`, value, units });
  }

  silence(network) {
    const { unit, name } = this.pinned;
    const { layer } = network.gates.find((gate) => gate.name === name);
    const names = network.gates
      .filter((gate) => gate.layer === layer && gate.gate === "hidden")
      .map((gate) => gate.name);
    this.addRule({ names, words: "silent", value: 0, units: [unit] });
  }

  addRule(rule) {
    const from = this.from.value === "start" ? 0 : Math.max(0, this.selected);
    this.rules = this.rules.filter(
      (one) => JSON.stringify([one.names, one.units]) !== JSON.stringify([rule.names, rule.units]),
    );
    this.rules.push({ ...rule, from });
    this.changeRules();
  }

  changeRules() {
    const chips = this.rules.map((rule) => {
      const units = rule.units === null ? "" : `, unit${rule.units.length > 1 ? "s" : ""} ${rule.units.join(", ")}`;
      const from = rule.from === 0 ? "" : `, from character ${rule.from + 1}`;
      const words = `${rule.words}${units}${from}`;
      const drop = () => {
        this.rules = this.rules.filter((one) => one !== rule);
        this.changeRules();
      };
      return element("li", {}, words, button("×", drop, { "aria-label": `Release ${words}` }));
    });
    this.ruleList.replaceChildren(...chips);
    if (chips.length > 1) {
      const all = button("Release all", () => {
        this.rules = [];
        this.changeRules();
      });
      this.ruleList.append(element("li", {}, all));
    }
    this.read();
  }

  // Writing.

  write(count) {
    this.writing = count;
    this.on.textContent = count > 1 ? "Stop" : "Write on";
    this.refresh();
  }

  stop() {
    this.writing = 0;
    if (this.on) this.on.textContent = "Write on";
  }

  writeOne() {
    const { tape } = this.networks[Number(this.writer.value)];
    const settings = { temperature: Number(this.temperature.value), length: 4 };
    const { value } = tape.write(tape.frames.length - 1, settings).next();
    if (value === undefined) {
      this.stop();
      return this.tell("The network ended the text.");
    }
    this.writing--;
    if (this.writing <= 0) this.stop();
    this.text.value += value;
    this.text.scrollTop = this.text.scrollHeight;
    this.selected = this.characters.length - 1;
    return this.read();
  }

  // Computing, in pieces between pictures.

  read() {
    const rules = this.rules.flatMap(({ names, value, units, from }) =>
      names.map((name) => ({ name, value, units, from })),
    );
    for (const network of this.networks) network.set(this.text.value, rules, this.inputs);
    this.selected = Math.min(this.selected, this.networks[0].base.text.length - 1);
    this.tell("");
    this.revealing = true;
    this.refresh();
  }

  refresh() {
    this.root.setAttribute("aria-busy", "true");
    this.requested ??= requestAnimationFrame(() => {
      this.requested = undefined;
      this.work();
    });
  }

  work() {
    const end = performance.now() + FRAME;
    const tapes = this.networks.flatMap((network) => network.tapes);
    for (const tape of tapes) while (!tape.isDone && performance.now() < end) tape.step();
    const isRead = tapes.every((tape) => tape.isDone);
    if (isRead && this.writing > 0) this.writeOne();
    else if (isRead && this.writes) this.continue(end);
    this.show();
    if (!isRead || this.networks.some(({ jobs }) => jobs.some((job) => !job.isDone))) this.refresh();
    if (this.requested === undefined) this.root.setAttribute("aria-busy", "false");
  }

  /** The likeliest continuations after the selected character. */
  continue(end) {
    for (const network of this.networks) {
      network.jobs = network.tapes.map((tape, place) => {
        const key = tape.frames[this.selected] ?? tape.start;
        const known = network.jobs[place];
        if (known?.key === key && known.tape === tape) return known;
        const words = tape.write(this.selected, { length: CONTINUED });
        return { key, tape, words, text: "", isDone: key.probabilities === null };
      });
      for (const job of network.jobs) {
        while (!job.isDone && performance.now() < end) {
          const { value, done } = job.words.next();
          job.text += value ?? "";
          job.isDone = done;
        }
      }
    }
  }

  // Showing.

  tell(words) {
    const unknown = [...new Set(this.networks.flatMap(({ base }) => base.unknown))].map(visible);
    const parts = words ? [words] : [];
    if (unknown.length)
      parts.push(
        `The network does not know ${unknown.map((one) => `“${one}”`).join(", ")}, and skips ${unknown.length > 1 ? "them" : "it"}.`,
      );
    const most = this.networks[0].base.text.length;
    if (this.characters.length > most) parts.push(`Only the first ${most.toLocaleString("en")} characters are read.`);
    this.told = words;
    this.notice.hidden = parts.length === 0;
    if (this.notice.textContent !== parts.join(" ")) this.notice.textContent = parts.join(" ");
  }

  show() {
    this.tell(this.told);
    const { characters } = this;
    this.time.max = Math.max(0, characters.length - 1);
    this.time.value = this.selected;
    const now = characters[this.selected];
    this.timeWords.value = now === undefined ? "0" : `${this.selected + 1} of ${characters.length}: ${visible(now)}`;
    this.time.setAttribute("aria-valuetext", now === undefined ? "nothing" : `${this.selected + 1}, ${spoken(now)}`);
    for (const network of this.networks) {
      this.showOutcomes(network, characters);
      if (this.writes) this.showContinuations(network, characters);
      network.shownTools.hidden = network.altered === null;
      this.paint(network);
      if (this.revealing && network.tape.frames.length > this.selected) network.map.reveal(this.selected);
      this.describe(network, this.selected, this.pinned);
    }
    this.revealing = this.networks.some(({ tape }) => !tape.isDone);
  }

  showOutcomes(network, characters) {
    const { tape, base, altered } = network;
    const after = (one) =>
      this.selected < 0 ? (one.start?.probabilities ?? null) : (one.frames[this.selected]?.probabilities ?? null);
    const [shares, former] = [after(tape), altered ? after(base) : null];
    if (this.writes) {
      const words = (one) => (one.surprise === null ? "–" : one.surprise.toFixed(2));
      network.score.textContent = `Surprise of the text: ${words(tape)} bits per character${altered ? `, without holding: ${words(base)}` : ""}`;
    } else {
      const best = shares ? shares.indexOf(Math.max(...shares)) : -1;
      network.score.textContent =
        best < 0 ? "Reading …" : `Answer after character ${this.selected + 1}: ${tape.outcomes[best]}`;
    }
    if (shares === null) return network.outcomes.replaceChildren();
    network.outcomes.classList.toggle("held", former !== null);
    let order = [...shares.keys()];
    const count = this.writes ? OUTCOMES_SHOWN : LABELS_SHOWN;
    if (order.length > count) {
      const rank = former ? shares.map((share, place) => Math.max(share, former[place])) : shares;
      order = order.sort((a, b) => rank[b] - rank[a]).slice(0, count);
      if (this.writes) order.sort((a, b) => shares[b] - shares[a]);
    }
    const actual = this.writes ? characters[this.selected + 1] : undefined;
    const rows = order.map((place) => {
      const symbol = tape.outcomes[place];
      const marks = [element("span", { class: "bar", style: `width: ${100 * shares[place]}%` })];
      if (former) marks.push(element("span", { class: "before", style: `width: ${100 * former[place]}%` }));
      const name = this.writes ? visible(symbol) : symbol;
      const [title, label] =
        symbol === actual ? ["the text goes on with it", `${spoken(symbol)}, which follows`] : [null, spoken(symbol)];
      return element(
        "li",
        {},
        element(
          "span",
          { class: `symbol${symbol === actual ? " actual" : ""}`, title, role: "img", "aria-label": label },
          name,
        ),
        element("span", { class: "scale", "aria-hidden": "true" }, ...marks),
        element("span", { class: "share" }, percent(shares[place])),
        ...(former ? [element("span", { class: "former" }, `was ${percent(former[place])}`)] : []),
      );
    });
    return network.outcomes.replaceChildren(...rows);
  }

  showContinuations(network, characters) {
    const before = characters.slice(Math.max(0, this.selected - 15), this.selected + 1).join("");
    const text = (job) => (job && job.key === (job.tape.frames[this.selected] ?? job.tape.start) ? job.text : "");
    const names = network.altered ? ["As it is, it would go on:", "With what is held:"] : ["It would go on:"];
    const parts = names.flatMap((name, place) => [
      element("div", { class: "soft" }, name),
      element(
        "p",
        { class: "continuation" },
        element("span", { class: "read" }, `…${before}`),
        text(network.jobs[place]),
      ),
    ]);
    network.continuation.replaceChildren(...parts);
  }

  columns(network) {
    return network.base.text.map((character, position) => ({
      seen: visible(character),
      bits: network.tape.frames[position]?.bits ?? null,
      values: network.values(position, this.shown),
    }));
  }

  paint(network) {
    const isDifference = this.shown === "difference" && network.altered !== null;
    const trace = this.pinned ? this.unitWords(network, this.pinned) : "";
    network.map.draw(this.columns(network), {
      ...this.look,
      selected: this.selected,
      pinned: this.pinned && network.map.bands.some(({ name }) => name === this.pinned.name) ? this.pinned : null,
      isDifference,
      words: { ...network.words, trace },
    });
    const keys = [];
    if (this.writes) keys.push(element("span", {}, "bars below the letters: surprise, to 8 bits"));
    const isGated = network.gates.some(({ isShare }) => isShare);
    if (!isDifference)
      keys.push(this.keyOf("0", this.look.shares, isGated ? "1: gates, probabilities" : "1: probabilities"));
    if (isDifference || network.gates.some(({ isShare }) => !isShare))
      keys.push(this.keyOf("below 0", this.look.signed, isDifference ? "above 0: the difference" : "above 0: states"));
    network.key.replaceChildren(...keys);
  }

  keyOf(low, colours, high) {
    return element("span", {}, low, element("i", { style: `background: ${bar(colours)}` }), high);
  }

  unitWords(network, { name, unit }) {
    if (name !== PROBABILITIES) return `${network.words[name]}, unit ${unit}`;
    return `probability of ${visible(network.base.outcomes[unit])}`;
  }

  /** Says what a unit is after a character. */
  describe(network, column, place) {
    const values = network.values(column, this.shown);
    const character = this.characters[column];
    let words = this.pinned || !values ? "" : "Point at the map for values; select a row for its course.";
    if (values && place && values[place.name]?.[place.unit] !== undefined) {
      words = `After “${visible(character)}” (${column + 1}): ${this.unitWords(network, place)}: ${values[place.name][place.unit].toFixed(3)}`;
      const { layer } = network.gates.find((gate) => gate.name === place.name) ?? {};
      const others = network.gates.filter(
        (gate) => gate.layer === layer && gate.name !== place.name && layer !== undefined,
      );
      const told = others.map(({ name, gate }) => `${gate} ${values[name][place.unit]?.toFixed(2)}`);
      if (told.length) words += ` (${told.join(", ")})`;
    }
    if (network.hover.textContent !== words) network.hover.textContent = words;
    network.silence.hidden = !this.pinned || !network.gates.some((gate) => gate.name === this.pinned.name);
  }

  hover(network, { offsetX, offsetY }) {
    const { column, band, unit } = network.map.at(offsetX, offsetY);
    if (band && unit !== null) this.describe(network, column, { name: band.name, unit });
    else this.describe(network, this.selected, this.pinned);
  }

  pick(network, { offsetX, offsetY }) {
    const { column, band, unit } = network.map.at(offsetX, offsetY);
    if (band && unit === null) {
      band.isOpen = !band.isOpen;
      return this.refresh();
    }
    if (band) this.pin(network, band, unit);
    return this.select(column);
  }

  pin(network, band, unit) {
    this.pinned = { name: band.name, unit };
    if (network.gates.some(({ name }) => name === band.name)) {
      this.gate.value = band.name;
      this.units.value = String(unit);
    }
    this.refresh();
  }

  key(network, event) {
    const { bands } = network.map;
    const place = Math.max(
      0,
      bands.findIndex(({ name }) => name === this.pinned?.name),
    );
    const unit = this.pinned?.unit ?? 0;
    const act = {
      ArrowLeft: () => this.select(Math.max(0, this.selected - 1)),
      ArrowRight: () => this.select(this.selected + 1),
      Home: () => this.select(0),
      End: () => this.select(Infinity),
      ArrowUp: () => this.pin(network, bands[place], Math.max(0, unit - 1)),
      ArrowDown: () => this.pin(network, bands[place], Math.min(bands[place].units - 1, unit + 1)),
      PageUp: () => this.pin(network, bands[Math.max(0, place - 1)], 0),
      PageDown: () => this.pin(network, bands[Math.min(bands.length - 1, place + (this.pinned ? 1 : 0))], 0),
    }[event.key];
    if (act === undefined || bands.length === 0) return;
    event.preventDefault();
    act();
  }
}
