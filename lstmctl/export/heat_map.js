// A heat map that grows along a text: a column per character, a band of rows per gate or state, and a unit's trace.

export const COLUMN = 14;
const [LETTERS, BAR, TITLE, TRACE] = [20, 26, 20, 72];

/** 256 colours between some, as [red, green, blue] each. */
export function gradient(colours) {
  return Array.from({ length: 256 }, (_, step) => {
    const place = (step / 255) * (colours.length - 1);
    const [low, share] = [
      Math.min(Math.floor(place), colours.length - 2),
      place - Math.min(Math.floor(place), colours.length - 2),
    ];
    return colours[low].map((own, channel) => Math.round(own + share * (colours[low + 1][channel] - own)));
  });
}

/** The ends of the colours of values around 0: the first power of two, from 1, that at most one value in 50 exceeds. */
export function reach(values, known = 1) {
  let most = known;
  const exceeds = () => values.reduce((count, value) => count + (Math.abs(value) > most), 0) > values.length / 50;
  while (most < 1024 && exceeds()) most *= 2;
  return most;
}

const MOST_ROWS = 128;

/** Means of neighbours, so that no more than `rows` values are left. */
export function condensed(values, rows) {
  if (values.length <= rows) return values;
  return Float64Array.from({ length: rows }, (_, row) => {
    const [start, stop] = [row, row + 1].map((one) => Math.round((one * values.length) / rows));
    return values.slice(start, stop).reduce((sum, value) => sum + value, 0) / (stop - start);
  });
}

class Band {
  constructor(gate, units) {
    Object.assign(this, { gate, name: gate.name, units, columns: [], most: 1, isOpen: false });
    this.canvas = document.createElement("canvas");
    Object.assign(this.canvas, { width: 128, height: this.rows });
    this.context = this.canvas.getContext("2d");
  }

  get rows() {
    return this.isOpen ? this.units : Math.min(this.units, MOST_ROWS);
  }

  /** Pixels: a row per unit, and no more rows than can be seen. */
  get height() {
    return this.isOpen ? Math.max(96, this.units * 4) : Math.min(Math.max(this.units * 3, 36), MOST_ROWS);
  }

  /** Paints the columns whose values have changed; `isShare` if they are from 0 to 1. */
  update(columns, isShare, colours) {
    if (this.colours !== colours) this.columns = [];
    Object.assign(this, { isShare, colours });
    if (columns.length > this.canvas.width) {
      this.canvas.width = 2 ** Math.ceil(Math.log2(columns.length));
      this.columns = [];
    }
    if (this.canvas.height !== this.rows) {
      this.canvas.height = this.rows;
      this.columns = [];
    }
    if (!this.isShare) {
      const isNew = (values, column) => values && values !== this.columns[column];
      const most = columns.filter(isNew).reduce((found, values) => reach(values, found), this.most);
      if (most !== this.most) this.columns = [];
      this.most = most;
    }
    const image = this.context.createImageData(1, this.rows);
    columns.forEach((values, column) => {
      if (column < this.columns.length && this.columns[column] === values) return;
      const seen = values && condensed(values, this.rows);
      for (let row = 0; row < this.rows; row++) {
        if (values) {
          const share = this.isShare ? seen[row] : (seen[row] / this.most + 1) / 2;
          image.data.set(colours[Math.round(255 * Math.min(1, Math.max(0, share)))], 4 * row);
        }
        image.data[4 * row + 3] = values ? 255 : 0;
      }
      this.context.putImageData(image, column, 0);
    });
    this.columns = columns.slice();
  }
}

export class HeatMap {
  /**
   * @param {HTMLCanvasElement} canvas inside a box that scrolls
   * @param {Array} gates as `gatesOf`
   */
  constructor(canvas, gates) {
    Object.assign(this, { canvas, gates, bands: [], context: canvas.getContext("2d") });
    this.box = canvas.parentElement.parentElement;
  }

  /**
   * @param {Array} columns per character: { character, bits, values: {gate: values} or null }
   * @param {Object} look { selected, pinned: {name, unit}, shares, signed, style, words: {gate: title} }
   */
  draw(columns, look) {
    for (const gate of this.gates) {
      const values = columns.find((one) => one.values?.[gate.name])?.values[gate.name];
      const own = this.bands.findIndex((band) => band.name === gate.name);
      if (values && own < 0) this.bands.push(new Band(gate, values.length));
    }
    this.bands.sort((a, b) => this.gates.indexOf(a.gate) - this.gates.indexOf(b.gate));
    for (const band of this.bands) {
      const isShare = band.gate.isShare && !look.isDifference;
      const values = columns.map((one) => one.values?.[band.name] ?? null);
      band.update(values, isShare, isShare ? look.shares : look.signed);
    }
    this.place(columns, look);
    this.paint(columns, look);
  }

  /** Heights, and the size of what scrolls. */
  place(columns, look) {
    let top = LETTERS + (columns.some((one) => one.bits !== null) ? BAR : 0);
    for (const band of this.bands) {
      band.top = top + TITLE;
      top = band.top + band.height;
    }
    this.trace = look.pinned ? { top: top + TITLE, height: TRACE } : null;
    this.height = top + (this.trace ? TITLE + TRACE : 0) + 4;
    this.width = Math.max(columns.length * COLUMN, 1);
    const [wide, ratio] = [this.box.clientWidth, window.devicePixelRatio || 1];
    this.canvas.parentElement.style.width = `${Math.max(this.width, wide)}px`;
    if (this.canvas.width !== Math.round(wide * ratio) || this.canvas.height !== Math.round(this.height * ratio)) {
      Object.assign(this.canvas, { width: Math.round(wide * ratio), height: Math.round(this.height * ratio) });
      Object.assign(this.canvas.style, { width: `${wide}px`, height: `${this.height}px` });
    }
  }

  paint(columns, look) {
    const { context, box } = this;
    const [ratio, left, wide] = [window.devicePixelRatio || 1, box.scrollLeft, box.clientWidth];
    const [first, last] = [Math.floor(left / COLUMN), Math.min(columns.length, Math.ceil((left + wide) / COLUMN))];
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, wide, this.height);
    context.translate(-left, 0);
    context.textAlign = "center";
    context.font = look.style.letters;
    for (let column = first; column < last; column++) {
      const x = column * COLUMN;
      const one = columns[column];
      context.fillStyle = column === look.selected ? look.style.accent : one.values ? look.style.ink : look.style.soft;
      context.fillText(one.seen, x + COLUMN / 2, 14);
      if (one.bits === null) continue;
      const height = Math.min(1, one.bits / 8) * (BAR - 6);
      context.fillStyle = look.style.bar;
      context.fillRect(x + 2, LETTERS + BAR - 4 - height, COLUMN - 4, Math.max(height, 0.5));
    }
    for (const band of this.bands) {
      context.imageSmoothingEnabled = false;
      const width = Math.max(0, last - first);
      if (width) {
        context.drawImage(
          band.canvas,
          first,
          0,
          width,
          band.rows,
          first * COLUMN,
          band.top,
          width * COLUMN,
          band.height,
        );
      }
      this.title(look.words[band.name], band.top, left, look);
      if (look.pinned?.name === band.name) {
        const row = band.height / band.units;
        context.strokeStyle = look.style.accent;
        context.lineWidth = 1.5;
        const y = band.top + look.pinned.unit * row - 1;
        context.strokeRect(left + 0.5, y, Math.min(wide, this.width) - 1, Math.max(3, row + 2));
      }
    }
    if (this.trace) this.line(columns, look, first, last, left);
    if (look.selected >= 0 && look.selected < columns.length) {
      context.strokeStyle = look.style.accent;
      context.lineWidth = 2;
      context.strokeRect(look.selected * COLUMN, 1, COLUMN, this.height - 2);
    }
  }

  title(words, top, left, look) {
    const { context } = this;
    context.textAlign = "left";
    context.font = look.style.words;
    context.fillStyle = look.style.soft;
    context.fillText(words, left + 2, top - 6);
  }

  line(columns, look, first, last, left) {
    const { context, trace } = this;
    const band = this.bands.find((one) => one.name === look.pinned.name);
    if (!band) return;
    const values = columns.flatMap((one) => (one.values ? [one.values[band.name][look.pinned.unit]] : []));
    const most = reach([Math.max(...values.map(Math.abs))], band.isShare ? 1 : band.most);
    const [low, high] = band.isShare ? [0, 1] : [-most, most];
    const y = (value) => trace.top + 3 + ((high - value) / (high - low)) * (trace.height - 6);
    this.title(`${look.words.trace}, from ${low} to ${high}`, trace.top, left, look);
    context.strokeStyle = look.style.line;
    context.lineWidth = 1;
    for (const level of new Set([low, 0, high])) {
      context.beginPath();
      context.moveTo(left, y(level));
      context.lineTo(left + this.box.clientWidth, y(level));
      context.stroke();
    }
    context.strokeStyle = look.style.accent;
    context.lineWidth = 2;
    context.beginPath();
    for (let column = Math.max(0, first - 1); column < Math.min(last + 1, columns.length); column++) {
      const value = columns[column].values?.[band.name][look.pinned.unit];
      if (value !== undefined) context.lineTo(column * COLUMN + COLUMN / 2, y(value));
    }
    context.stroke();
  }

  /** What is at a point of the canvas: { column, band, unit }. */
  at(x, y) {
    const column = Math.floor((x + this.box.scrollLeft) / COLUMN);
    const band = this.bands.find((one) => y >= one.top - TITLE && y < one.top + one.height) ?? null;
    const unit =
      band && y >= band.top ? Math.min(band.units - 1, Math.floor(((y - band.top) / band.height) * band.units)) : null;
    return { column, band, unit };
  }

  /** Scrolls so that a column can be seen. */
  reveal(column) {
    const [left, wide] = [this.box.scrollLeft, this.box.clientWidth];
    if (column * COLUMN < left) this.box.scrollLeft = column * COLUMN - COLUMN;
    else if ((column + 1) * COLUMN > left + wide) this.box.scrollLeft = (column + 2) * COLUMN - wide;
  }
}
