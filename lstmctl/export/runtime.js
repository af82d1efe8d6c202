// Runs a predictor that lstmctl exported: plain JavaScript, without dependencies, for browsers and Node.
//
//   const model = new Model(description, weights);        // an object, and an ArrayBuffer
//   const stream = model.stream();                        // carries the state from step to step
//   const { scores } = stream.step(model.encode("a")[0]); // Float32Array
//   const text = [...model.write("Once ", { length: 80, temperature: 0.8 })].join("");
//
// `stream.shown` holds every gate and state of the last step by name, such as f_1 for the gate f of layer 1.
// `stream.clamp` replaces them: { f_1: { value: 0 } } for all units, { cell_2: { value: 0, units: [3] } } for some,
// or { o_1: (values, time) => … } to change values in place.

const ARRAYS = {
  float32: Float32Array,
  float64: Float64Array,
  index: Int32Array,
  int32: Int32Array,
  uint16: Uint16Array,
  uint8: Uint8Array,
};

const UNARY = {
  sigmoid: (x) => 1 / (1 + Math.exp(-x)),
  tanh: Math.tanh,
  relu: (x) => (x > 0 ? x : 0),
  exp: Math.exp,
  log: Math.log,
  sqrt: Math.sqrt,
  sin: Math.sin,
  cos: Math.cos,
  abs: Math.abs,
  floor: Math.floor,
  softplus: (x) => (x > 20 ? x : Math.log1p(Math.exp(x))),
  isnan: (x) => (Number.isNaN(x) ? 1 : 0),
  square: (x) => x * x,
};

const BINARY = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  max: (a, b) => Math.max(a, b),
  min: (a, b) => Math.min(a, b),
  less: (a, b) => (a < b ? 1 : 0),
  equal: (a, b) => (a === b ? 1 : 0),
};

const resized = (shape, axis, length) => shape.map((own, place) => (place === axis ? length : own));

function count(shape) {
  let product = 1;
  for (let axis = 0; axis < shape.length; axis++) product *= shape[axis];
  return product;
}

function tensor(shape, type) {
  return { shape, type, data: new ARRAYS[type](count(shape)) };
}

/** Steps between neighbours along each axis of `shape` when it is broadcast to an array of as many axes as `to`. */
function strides(shape, to) {
  const found = new Array(to.length).fill(0);
  let step = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    if (shape[axis] !== 1) found[axis + to.length - shape.length] = step;
    step *= shape[axis];
  }
  return found;
}

/** Calls `visit(place in the result, place in each input)` for all elements of `shape`. */
function walk(shape, inputs, visit) {
  const size = count(shape);
  const steps = inputs.map((input) => strides(input.shape, shape));
  const index = new Array(shape.length).fill(0);
  const places = new Array(inputs.length).fill(0);
  for (let place = 0; place < size; place++) {
    visit(place, places);
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      index[axis]++;
      for (let one = 0; one < inputs.length; one++) places[one] += steps[one][axis];
      if (index[axis] < shape[axis]) break;
      for (let one = 0; one < inputs.length; one++) places[one] -= steps[one][axis] * shape[axis];
      index[axis] = 0;
    }
  }
}

/** Whether an array of one shape is repeated as a whole when it is broadcast to another. */
function isEndOf(shape, whole) {
  const before = whole.length - shape.length;
  for (let axis = shape.length - 1; axis >= 0; axis--) if (shape[axis] !== whole[axis + before]) return false;
  return before >= 0;
}

function broadcast(shapes) {
  const axes = Math.max(...shapes.map((shape) => shape.length));
  const found = new Array(axes).fill(1);
  for (const shape of shapes) {
    shape.forEach((length, axis) => {
      const place = axis + axes - shape.length;
      if (length !== 1) found[place] = length;
    });
  }
  return found;
}

/** [blocks before the axis, length, values of one step along it] */
function around(shape, axis) {
  return [count(shape.slice(0, axis)), shape[axis], count(shape.slice(axis + 1))];
}

/** to = W from + b. Four sums at once take a quarter of the time of one. */
function multiply(w, from, bias, to) {
  const inputs = from.length;
  const end = inputs - (inputs % 4);
  let at = 0;
  for (let output = 0; output < to.length; output++) {
    let a = bias === null ? 0 : bias[output];
    let b = 0;
    let c = 0;
    let d = 0;
    let input = 0;
    for (; input < end; input += 4, at += 4) {
      a += w[at] * from[input];
      b += w[at + 1] * from[input + 1];
      c += w[at + 2] * from[input + 2];
      d += w[at + 3] * from[input + 3];
    }
    for (; input < inputs; input++, at++) a += w[at] * from[input];
    to[output] = a + b + c + d;
  }
}

const OPERATIONS = {
  linear([x, weight, bias], type) {
    const [outputs, inputs] = weight.shape;
    const result = tensor([...x.shape.slice(0, -1), outputs], type);
    for (let row = 0; row * inputs < x.data.length; row++) {
      const from = x.data.subarray(row * inputs, (row + 1) * inputs);
      multiply(weight.data, from, bias ? bias.data : null, result.data.subarray(row * outputs, (row + 1) * outputs));
    }
    return result;
  },
  lookup([table, index], type) {
    const width = count(table.shape.slice(1));
    const result = tensor([...index.shape, ...table.shape.slice(1)], type);
    index.data.forEach((row, place) => {
      result.data.set(table.data.subarray(row * width, (row + 1) * width), place * width);
    });
    return result;
  },
  unary([x], type, options) {
    const [result, apply] = [tensor(x.shape, type), UNARY[options.function]];
    for (let place = 0; place < x.data.length; place++) result.data[place] = apply(x.data[place]);
    return result;
  },
  binary([a, b], type, options) {
    const apply = BINARY[options.function];
    const [left, right] = [a.data, b.data];
    // Most operations are of two equal shapes, or of an array with a number or with its own last axes.
    const [large, small] = left.length >= right.length ? [a, b] : [b, a];
    const isRepeated = isEndOf(small.shape, large.shape);
    const result = tensor(isRepeated ? large.shape : broadcast([a.shape, b.shape]), type);
    const to = result.data;
    if (isRepeated) {
      const [m, n] = [left.length, right.length];
      for (let place = 0, one = 0, other = 0; place < to.length; place++) {
        to[place] = apply(left[one], right[other]);
        if (++one === m) one = 0;
        if (++other === n) other = 0;
      }
    } else {
      walk(result.shape, [a, b], (place, [one, other]) => {
        to[place] = apply(left[one], right[other]);
      });
    }
    return result;
  },
  where([condition, a, b], type) {
    const result = tensor(broadcast([condition.shape, a.shape, b.shape]), type);
    if ([condition, a, b].every((one) => one.data.length === result.data.length)) {
      for (let place = 0; place < result.data.length; place++) {
        result.data[place] = condition.data[place] ? a.data[place] : b.data[place];
      }
      return result;
    }
    walk(result.shape, [condition, a, b], (place, [is, one, other]) => {
      result.data[place] = condition.data[is] ? a.data[one] : b.data[other];
    });
    return result;
  },
  slice([x], type, options) {
    const [before, length, after] = around(x.shape, options.axis);
    const start = options.start < 0 ? options.start + length : options.start;
    const stop = options.stop <= 0 ? options.stop + length : options.stop;
    const result = tensor(resized(x.shape, options.axis, stop - start), type);
    for (let block = 0; block < before; block++) {
      const from = (block * length + start) * after;
      result.data.set(x.data.subarray(from, from + (stop - start) * after), block * (stop - start) * after);
    }
    return result;
  },
  reverse([x], type) {
    const [result, width] = [tensor(x.shape, type), x.shape[x.shape.length - 1]];
    x.data.forEach((value, place) => {
      result.data[place - (place % width) + width - 1 - (place % width)] = value;
    });
    return result;
  },
  reshape([x], type, options) {
    return { shape: options.shape, type, data: x.data.slice() };
  },
  transpose([x], type, options) {
    const result = tensor(options.order.map((axis) => x.shape[axis]), type);
    const own = strides(x.shape, x.shape).map((step, axis) => (x.shape[axis] === 1 ? 0 : step));
    const index = new Array(result.shape.length).fill(0);
    for (let place = 0; place < result.data.length; place++) {
      let from = 0;
      index.forEach((at, axis) => (from += at * own[options.order[axis]]));
      result.data[place] = x.data[from];
      for (let axis = index.length - 1; axis >= 0 && ++index[axis] === result.shape[axis]; axis--) index[axis] = 0;
    }
    return result;
  },
  concat(inputs, type, options) {
    const others = inputs.map((input) => resized(input.shape, options.axis, 1));
    const shape = broadcast(others);
    const whole = inputs.map((input) => resized(shape, options.axis, input.shape[options.axis]));
    const result = tensor(resized(shape, options.axis, whole.reduce((sum, one) => sum + one[options.axis], 0)), type);
    const [, length, after] = around(result.shape, options.axis);
    let start = 0;
    inputs.forEach((input, number) => {
      const width = whole[number][options.axis] * after;
      walk(whole[number], [input], (place, [from]) => {
        const block = Math.floor(place / width);
        result.data[block * length * after + start * after + (place % width)] = input.data[from];
      });
      start += whole[number][options.axis];
    });
    return result;
  },
  reduce([x], type, options) {
    const [before, length, after] = around(x.shape, options.axis);
    const result = tensor(resized(x.shape, options.axis, 1), type);
    for (let block = 0; block < before; block++) {
      for (let place = 0; place < after; place++) {
        let sum = options.function === "max" ? -Infinity : 0;
        for (let step = 0; step < length; step++) {
          const value = x.data[(block * length + step) * after + place];
          sum = options.function === "max" ? Math.max(sum, value) : sum + value;
        }
        result.data[block * after + place] = options.function === "mean" ? sum / length : sum;
      }
    }
    return result;
  },
  softmax([x], type) {
    const [result, width] = [tensor(x.shape, type), x.shape[x.shape.length - 1]];
    for (let row = 0; row < x.data.length; row += width) {
      result.data.set(softmax(x.data.subarray(row, row + width)), row);
    }
    return result;
  },
  cast([x], type) {
    return { shape: x.shape, type, data: ARRAYS[type].from(x.data) };
  },
  /** The number of the n-gram that a symbol makes of its context, or -1. */
  successor([starts, symbols, context, symbol], type) {
    const result = tensor([], type);
    result.data[0] = -1;
    if (context.data[0] < 0) return result;
    const [start, stop] = starts.data.subarray(context.data[0], context.data[0] + 2);
    const place = symbols.data.subarray(start, stop).indexOf(symbol.data[0]);
    if (place >= 0) result.data[0] = start + place;
    return result;
  },
  /** Probabilities from discounted counts after a context, interpolated with the shorter context's. */
  smoothed([lower, starts, symbols, counts, discounts, context], type) {
    const [start, stop] = context.data[0] < 0 ? [0, 0] : starts.data.subarray(context.data[0], context.data[0] + 2);
    let [total, left] = [0, 0];
    for (let gram = start; gram < stop; gram++) {
      total += counts.data[gram];
      left += discounts.data[Math.min(counts.data[gram], 3)];
    }
    if (total === 0) return lower;
    const result = { shape: lower.shape, type, data: lower.data.map((share) => (share * left) / total) };
    for (let gram = start; gram < stop; gram++) {
      const count = counts.data[gram];
      result.data[symbols.data[gram]] += (count - discounts.data[Math.min(count, 3)]) / total;
    }
    return result;
  },
};

/** Probabilities from scores, divided by the temperature. */
export function softmax(scores, temperature = 1) {
  const most = scores.reduce((a, b) => Math.max(a, b), -Infinity);
  const found = Float64Array.from(scores, (score) => Math.exp((score - most) / temperature));
  const total = found.reduce((a, b) => a + b, 0);
  return found.map((one) => one / total);
}

/** Draw a number with the given probabilities; `random` is in [0, 1). */
export function draw(probabilities, random = Math.random()) {
  let rest = random;
  for (let number = 0; number < probabilities.length; number++) {
    rest -= probabilities[number];
    if (rest < 0) return number;
  }
  return probabilities.lastIndexOf(Math.max(...probabilities));
}

/** The bytes of a base64 text, as an ArrayBuffer. */
export function decodeBase64(text) {
  const bytes = Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
  return bytes.buffer;
}

function fromHalf(bits) {
  const [sign, exponent, fraction] = [bits >> 15 ? -1 : 1, (bits >> 10) & 31, bits & 1023];
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

function readWeights(table, buffer) {
  const found = {};
  for (const [name, { shape, type, offset }] of Object.entries(table)) {
    const length = count(shape);
    const data =
      type === "float16"
        ? Float32Array.from(new Uint16Array(buffer, offset, length), fromHalf)
        : new ARRAYS[type](buffer, offset, length);
    found[name] = { shape, type: type === "float16" ? "float32" : type, data };
  }
  return found;
}

export class UnknownSymbolError extends Error {
  constructor(symbol, position) {
    super(`the model does not know ${JSON.stringify(symbol)} at position ${position}`);
    Object.assign(this, { symbol, position });
  }
}

export class Model {
  constructor(description, weights) {
    this.description = description;
    this.functions = description.functions;
    this.weights = readWeights(description.weights, weights);
    this.vocabularies = description.vocabularies;
    this.facts = description.facts;
  }

  /** The first function that users call. */
  get entry() {
    return this.description.entries[0];
  }

  /**
   * Calls a function.
   * @param {string} name of the function
   * @param {Object} inputs numbers or (nested or flat) arrays by name; carried states may be left out
   * @param {Object} settings `clamp`, and `show(name, values, time)`, called with every gate and state
   * @returns {Object} outputs by name, as typed arrays
   */
  run(name, inputs, { clamp = {}, show = () => {} } = {}) {
    const own = this.functions[name];
    const given = own.inputs.map((input) => this.argument(input, inputs[input.name]));
    const results = this.call(own, given, clamp, show, 0);
    return Object.fromEntries(own.outputs.map((output, number) => [output.name, results[number].data]));
  }

  argument(input, value) {
    if (value === undefined) {
      if (!input.state) throw new Error(`the input ${input.name} is missing`);
      const start = tensor(input.shape, input.type);
      if (input.initial) start.data.set(input.initial);
      return start;
    }
    const flat = typeof value === "number" ? [value] : ArrayBuffer.isView(value) ? value : value.flat(Infinity);
    const data = ARRAYS[input.type].from(flat);
    const rest = count(input.shape.filter((length) => length !== null));
    const shape = input.shape.map((length) => (length === null ? data.length / rest : length));
    if (count(shape) !== data.length || !shape.every(Number.isInteger)) {
      throw new Error(`${input.name} must have shape [${input.shape.map((n) => n ?? "any")}], not ${data.length} values`);
    }
    return { shape, type: input.type, data };
  }

  call(own, given, clamp, show, time) {
    const values = new Map(own.inputs.map((input, number) => [input.value, given[number]]));
    const value = (operand) => {
      if (typeof operand === "number") return { shape: [], type: "float64", data: [operand] };
      return values.get(operand) ?? this.weights[operand];
    };
    for (const operation of own.operations) {
      const inputs = operation.inputs.map(value);
      if (operation.kind === "scan") {
        this.scan(operation, inputs, clamp, show).forEach((found, place) => {
          values.set(operation.outputs[place], found);
        });
        continue;
      }
      const found = OPERATIONS[operation.kind](inputs, operation.type, operation);
      const [output] = operation.outputs;
      values.set(output, found);
      const shown = own.shown[output];
      if (shown !== undefined) {
        replace(found.data, clamp[shown], time);
        show(shown, found.data, time);
      }
    }
    return own.outputs.map((output) => value(output.value));
  }

  scan(operation, inputs, clamp, show) {
    const { function: name, carried, sequences, backwards } = operation;
    const own = this.functions[name];
    const along = inputs.slice(0, sequences);
    const constants = inputs.slice(sequences, inputs.length - carried);
    let states = inputs.slice(inputs.length - carried);
    const steps = along[0].shape[0];
    const stacked = own.outputs.length - carried;
    const collected = [];
    for (let step = 0; step < steps; step++) {
      const time = backwards ? steps - 1 - step : step;
      const now = along.map(({ shape, type, data }) => {
        const width = count(shape.slice(1));
        return { shape: shape.slice(1), type, data: data.subarray(time * width, (time + 1) * width) };
      });
      const results = this.call(own, [...now, ...constants, ...states], clamp, show, time);
      results.slice(0, stacked).forEach(({ shape, type, data }, place) => {
        collected[place] ??= tensor([steps, ...shape], type);
        collected[place].data.set(data, time * data.length);
      });
      states = results.slice(stacked);
    }
    return [...collected, ...states];
  }

  /** A stream that carries the state of a function from step to step. */
  stream(name = this.entry) {
    return new Stream(this, name);
  }

  /**
   * Numbers of the symbols of a text.
   * @throws {UnknownSymbolError} unless the model has a number for unknown symbols, or `replace` is a known one
   */
  encode(text, vocabulary = "symbols", replace = undefined) {
    const { kind, entries, unknown } = this.vocabularies[vocabulary];
    if (kind === "bytes") return [...new TextEncoder().encode(text)];
    const known = unknown ?? entries.length;
    this.numbers ??= {};
    this.numbers[vocabulary] ??= new Map(entries.slice(0, known).map((symbol, number) => [symbol, number]));
    return [...text].map((symbol, position) => {
      const number = this.numbers[vocabulary].get(symbol) ?? unknown ?? this.numbers[vocabulary].get(replace);
      if (number === undefined) throw new UnknownSymbolError(symbol, position);
      return number;
    });
  }

  /** The text of some numbers. */
  decode(numbers, vocabulary = "symbols") {
    const { kind, entries } = this.vocabularies[vocabulary];
    if (kind === "bytes") return new TextDecoder().decode(Uint8Array.from(numbers));
    return numbers.map((number) => entries[number]).join("");
  }

  /** The function that scores the next symbol, and its input of symbols. */
  get writer() {
    for (const name of this.description.entries) {
      const { inputs, outputs } = this.functions[name];
      const input = inputs.find((one) => one.vocabulary !== null && one.vocabulary === outputs[0].vocabulary);
      if (input !== undefined) return { name, input };
    }
    throw new Error("this model does not write texts");
  }

  /** The label of a text, or of each of its symbols, and the scores of all labels. */
  answer(text) {
    const { inputs, outputs } = this.functions[this.entry];
    const read = this.encode(text, inputs[0].vocabulary);
    const { scores } = this.run(this.entry, { [inputs[0].name]: read });
    const { entries } = this.vocabularies[outputs[0].vocabulary];
    const rows = Array.from({ length: scores.length / entries.length }, (_, row) =>
      scores.subarray(row * entries.length, (row + 1) * entries.length),
    );
    return { labels: rows.map((row) => entries[row.indexOf(Math.max(...row))]), scores };
  }

  /**
   * Continues a text, symbol by symbol; a model that turns one text into another starts from `source`.
   * @param {string} prompt what stands before
   * @param {Object} settings `length`; `temperature` (0 takes the likeliest symbol); `random`, a function like
   *   Math.random; `inputs`, further inputs of every step, such as a label; `source`; `clamp`
   */
  *write(prompt = "", settings = {}) {
    const { length = 400, temperature = 0.8, random = Math.random, inputs = {}, source, clamp = {} } = settings;
    const { name, input } = this.writer;
    const { kind, start, end, never } = this.vocabularies[input.vocabulary];
    const text = this.encode(prompt, input.vocabulary);
    const read = end !== null || text.length === 0 ? [start, ...text] : text;
    const whole = input.shape.length === 1; // reads windows and carries no state
    const stream = this.stream(name);
    stream.clamp = clamp;
    if (source !== undefined) {
      const [first] = this.functions[this.entry].inputs;
      stream.state = this.run(this.entry, { [first.name]: this.encode(source, first.vocabulary) }, { clamp });
    }
    const decoder = new TextDecoder();
    let scores;
    if (!whole) for (const symbol of read) ({ scores } = stream.step({ ...inputs, [input.name]: symbol }));
    for (let written = 0; written < length; written++) {
      if (whole) ({ scores } = stream.step({ ...inputs, [input.name]: read.slice(-this.facts.window) }));
      if (never !== null) scores[never] = -Infinity;
      const likely = softmax(scores, temperature || 1);
      const chosen = temperature ? draw(likely, random()) : likely.indexOf(Math.max(...likely));
      if (chosen === end) return;
      read.push(chosen);
      yield kind === "bytes" ? decoder.decode(Uint8Array.of(chosen), { stream: true }) : this.decode([chosen], input.vocabulary);
      if (!whole) ({ scores } = stream.step({ ...inputs, [input.name]: chosen }));
    }
  }
}

function replace(values, rule, time) {
  if (rule === undefined) return;
  if (typeof rule === "function") rule(values, time);
  else if (rule.units === undefined) values.fill(rule.value);
  else for (const unit of rule.units) values[unit] = rule.value;
}

/** Steps of a function with its state. */
export class Stream {
  constructor(model, name) {
    Object.assign(this, { model, name, clamp: {} });
    this.reset();
  }

  /** Begin again from the initial state. */
  reset() {
    this.state = {};
    this.shown = {};
  }

  /**
   * One step.
   * @param {number|Object} inputs by name; a number is the first input
   * @returns {Object} the outputs by name
   */
  step(inputs) {
    const own = this.model.functions[this.name];
    const given = typeof inputs === "object" ? inputs : { [own.inputs[0].name]: inputs };
    this.shown = {};
    const show = (name, values) => {
      this.shown[name] = values;
    };
    const found = this.model.run(this.name, { ...this.state, ...given }, { clamp: this.clamp, show });
    for (const input of own.inputs) if (input.state) this.state[input.name] = found[input.name];
    return found;
  }

  /** Copies of everything that the next step depends on; assign them to `state` to go back. */
  get snapshot() {
    return Object.fromEntries(Object.entries(this.state).map(([name, values]) => [name, values.slice()]));
  }
}
