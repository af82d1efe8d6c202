// What a network did at every character of a text: gates, states, probabilities. No part of it knows the page.
//
//   const tape = new TextTape(model);           // LabelTape for models that label a text
//   tape.set("I grew up in ", [{ name: "f_1", value: 0, units: null, from: 10 }]);
//   while (tape.step());                        // reads one more character; false once the text has been read
//   tape.frames[4].probabilities, tape.frames[4].shown.f_1
//
// A rule holds a gate or a state (of some `units`, or of all) at a value, from a position of the text on.

import { draw, softmax } from "./runtime.js";

export const MOST_CHARACTERS = 4000;

/** The settings for `clamp` while the character at `position` is read; in a window, `time` counts from `position`. */
export function clampAt(rules, position) {
  const found = {};
  for (const { name } of rules) {
    found[name] = (values, time) => {
      for (const rule of rules) {
        if (rule.name !== name || position + time < rule.from) continue;
        if (rule.units === null) values.fill(rule.value);
        else for (const unit of rule.units) if (unit < values.length) values[unit] = rule.value;
      }
    };
  }
  return found;
}

/** The first position at which two lists of rules may differ. */
export function firstDifference(rules, others) {
  const texts = [rules, others].map((list) => list.map((rule) => JSON.stringify(rule)));
  const changed = [
    ...rules.filter((_, place) => !texts[1].includes(texts[0][place])),
    ...others.filter((_, place) => !texts[0].includes(texts[1][place])),
  ];
  return Math.min(Infinity, ...changed.map((rule) => rule.from));
}

/** Every gate and state that a model shows: [{ name, gate, layer, isShare, units }]; `isShare` if it is from 0 to 1. */
export function gatesOf(model) {
  const found = [];
  for (const { shown, operations } of Object.values(model.functions)) {
    for (const [value, name] of Object.entries(shown)) {
      if (found.some((one) => one.name === name)) continue;
      const made = operations.find((one) => one.outputs.includes(value));
      const [, gate, layer] = /^(.*?)_?(\d*b?)$/.exec(name);
      found.push({ name, gate, layer, isShare: made.kind === "unary" && made.function === "sigmoid" });
    }
  }
  return found;
}

const bits = (probability) => -Math.log2(Math.max(probability, 1e-30));

class Tape {
  constructor(model) {
    Object.assign(this, { model, text: [], rules: [], inputs: {}, frames: [] });
  }

  /**
   * Sets what to read. What was read of the same beginning, under the same rules, is kept.
   * @param {string} text of which at most MOST_CHARACTERS are read
   * @param {Array} rules that hold gates
   * @param {Object} inputs further inputs of every step, such as a label
   */
  set(text, rules = [], inputs = {}) {
    const characters = [...text].slice(0, MOST_CHARACTERS);
    let same = 0;
    while (same < characters.length && characters[same] === this.text[same]) same++;
    const first = JSON.stringify(inputs) === JSON.stringify(this.inputs) ? firstDifference(rules, this.rules) : 0;
    same = Math.min(same, first);
    const isSame = same === characters.length && same === this.text.length && first === Infinity;
    Object.assign(this, { text: characters, rules: structuredClone(rules), inputs });
    if (!isSame) this.forget(same);
  }

  /** Characters that the model does not know, each once. */
  get unknown() {
    return [...new Set(this.frames.filter((frame) => frame.isUnknown).map((frame) => frame.character))];
  }

  encode(character, vocabulary) {
    try {
      return this.model.encode(character, vocabulary);
    } catch (error) {
      if (error.symbol === undefined) throw error;
      return []; // an UnknownSymbolError
    }
  }
}

/** Reads a text character by character, and knows the probabilities of the next one. */
export class TextTape extends Tape {
  constructor(model) {
    super(model);
    const { name, input } = model.writer;
    Object.assign(this, { name, input, vocabulary: model.vocabularies[input.vocabulary] });
    this.readsWindows = input.shape.length === 1;
  }

  /** The frame before the first character. */
  get start() {
    this.begun ??= this.frame({ read: [], state: {} }, "", 0, [this.vocabulary.start ?? 0]);
    return this.begun;
  }

  get outcomes() {
    const { kind, entries } = this.vocabulary;
    return kind === "bytes" ? Array.from({ length: 256 }, (_, byte) => byteName(byte)) : entries;
  }

  forget(same) {
    this.frames.length = Math.min(this.frames.length, same);
    this.isDone = this.frames.length === this.text.length;
    this.begun = undefined;
  }

  step() {
    const position = this.frames.length;
    if (position >= this.text.length) {
      this.isDone = true;
      return false;
    }
    this.frames.push(this.after(this.before(position), this.text[position], position));
    this.isDone = this.frames.length === this.text.length;
    return !this.isDone;
  }

  /** The frame that precedes a position; texts with an end begin with a mark that is read. */
  before(position) {
    if (position > 0) return this.frames[position - 1];
    return this.vocabulary.end === null ? { read: [], state: {}, probabilities: null } : this.start;
  }

  after(previous, character, position) {
    const symbols = this.encode(character, this.input.vocabulary);
    if (symbols.length === 0) return { ...previous, character, shown: null, bits: null, isUnknown: true };
    return this.frame(previous, character, position, symbols);
  }

  frame(previous, character, position, symbols) {
    let { read, state, probabilities } = previous;
    let shown = {};
    let surprise = probabilities ? 0 : null;
    for (const symbol of symbols) {
      if (probabilities) surprise += bits(probabilities[symbol]);
      read = this.readsWindows ? [...read, symbol].slice(-this.model.facts.window) : [];
      const begins = this.readsWindows ? position - read.length + 1 : position;
      const stream = this.model.stream(this.name);
      stream.state = { ...state };
      stream.clamp = clampAt(this.rules, begins);
      const { scores } = stream.step({ ...this.inputs, [this.input.name]: this.readsWindows ? read : symbol });
      if (this.vocabulary.never !== null) scores[this.vocabulary.never] = -Infinity;
      ({ state, shown } = stream);
      probabilities = softmax(scores);
      probabilities.scores = scores;
    }
    return { character, read, state, shown, probabilities, bits: surprise, isUnknown: false };
  }

  /** Mean surprise in bits per character of what was read, or null. */
  get surprise() {
    const known = this.frames.filter((frame) => frame.bits !== null);
    return known.length ? known.reduce((sum, frame) => sum + frame.bits, 0) / known.length : null;
  }

  /**
   * Continues the text after a frame, character by character; temperature 0 takes the likeliest symbol.
   * @yields {string} characters
   */
  *write(position, { length = 60, temperature = 0, random = Math.random } = {}) {
    let frame = this.frames[position] ?? this.start;
    const { kind, entries, end } = this.vocabulary;
    const decoder = new TextDecoder();
    for (let written = 0; written < length; written++) {
      const likely = temperature ? softmax(frame.probabilities.scores, temperature) : frame.probabilities;
      const chosen = temperature ? draw(likely, random()) : likely.indexOf(Math.max(...likely));
      if (chosen === end) return;
      const character = kind === "bytes" ? decoder.decode(Uint8Array.of(chosen), { stream: true }) : entries[chosen];
      frame = this.frame(frame, character, position + 1 + written, [chosen]);
      if (character) yield character;
    }
  }
}

/** Reads a text and knows the probabilities of its labels after every character, or of the label of every character. */
export class LabelTape extends Tape {
  constructor(model) {
    super(model);
    const { inputs, outputs } = model.functions[model.entry];
    const entries = model.vocabularies[outputs[0].vocabulary].entries;
    Object.assign(this, {
      input: inputs[0],
      outcomes: entries,
      byStep: outputs[0].shape.length === 2,
      isWhole: false,
    });
    this.known = []; // probabilities after each beginning
  }

  forget(same) {
    this.known.length = Math.min(this.known.length, same);
    this.isWhole = false;
    this.isDone = this.text.length === 0;
    if (this.isDone) this.frames = [];
  }

  step() {
    if (this.isDone) return false;
    if (!this.isWhole) this.readAll();
    else {
      const position = this.frames.findIndex((frame) => frame.probabilities === null);
      if (position >= 0) {
        this.known[position] = this.run(position + 1).rows[0];
        this.frames[position] = { ...this.frames[position], probabilities: this.known[position] };
      }
    }
    this.isDone = this.frames.every((frame) => frame.probabilities !== null);
    return !this.isDone;
  }

  readAll() {
    const { rows, shown, places } = this.run(this.text.length);
    const last = this.text.length - 1;
    if (!this.byStep) this.known[last] = rows[0];
    this.frames = this.text.map((character, position) => {
      const isUnknown = places[position].length === 0;
      const time = places[position].at(-1);
      const own = this.byStep
        ? isUnknown
          ? new Float64Array(this.outcomes.length)
          : rows[time]
        : this.known[position];
      return { character, shown: isUnknown ? null : shown[time], probabilities: own ?? null, isUnknown };
    });
    this.isWhole = true;
  }

  /** Reads the first `length` characters: rows of probabilities, gates by time step, and the steps of each character. */
  run(length) {
    const symbols = [];
    const places = this.text.slice(0, length).map((character) => {
      const read = this.encode(character, this.input.vocabulary);
      return read.map((symbol) => symbols.push(symbol) - 1);
    });
    const shown = symbols.map(() => ({}));
    if (symbols.length === 0) return { rows: [new Float64Array(this.outcomes.length)], shown, places };
    const position = symbols.map((_, time) => places.findIndex((own) => own.includes(time)));
    const rules = this.rules.map((rule) => ({ ...rule, from: position.findIndex((place) => place >= rule.from) }));
    const { scores } = this.model.run(
      this.model.entry,
      { [this.input.name]: symbols },
      {
        clamp: clampAt(
          rules.filter((rule) => rule.from >= 0),
          0,
        ),
        show: (name, values, time) => {
          if (time < shown.length) shown[time][name] = values;
        },
      },
    );
    const width = this.outcomes.length;
    const rows = Array.from({ length: scores.length / width }, (_, row) =>
      softmax(scores.subarray(row * width, (row + 1) * width)),
    );
    return { rows, shown, places };
  }
}

function byteName(byte) {
  return byte > 31 && byte < 127
    ? String.fromCharCode(byte)
    : byte === 10
      ? "\n"
      : `0x${byte.toString(16).padStart(2, "0")}`;
}

/** Units from words such as "3, 7-9"; null for all of them, undefined if that is not a list of units. */
export function unitsFrom(words, count) {
  if (/^\s*(all)?\s*$/.test(words)) return null;
  const found = new Set();
  for (const part of words.split(",")) {
    const [, first, last] = /^\s*(\d+)\s*(?:[-–]\s*(\d+)\s*)?$/.exec(part) ?? [];
    if (first === undefined || Number(last ?? first) >= count || Number(first) > Number(last ?? first))
      return undefined;
    for (let unit = Number(first); unit <= Number(last ?? first); unit++) found.add(unit);
  }
  return [...found].sort((a, b) => a - b);
}

/** A symbol that can be seen. */
export function visible(symbol) {
  const names = { " ": "␣", "\n": "↵", "\t": "⇥", "": "end" };
  if (symbol in names) return names[symbol];
  return /^[\p{C}\p{Z}]$/u.test(symbol)
    ? `U+${symbol.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}`
    : symbol;
}

/** A symbol as a screen reader should say it. */
export function spoken(symbol) {
  return { " ": "space", "\n": "line break", "\t": "tab", "": "end of text" }[symbol] ?? symbol;
}
