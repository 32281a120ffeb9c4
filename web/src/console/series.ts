// A process's series over the last minutes, as its stream tells them.

/** A series' name and labels, apart. */
export interface Name {
  family: string;
  labels: Record<string, string>;
}

export interface Series {
  labels: Record<string, string>;
  value: number;
}

/** How much a series grew, and over how many seconds. */
export interface Grown extends Series {
  grown: number;
  overS: number;
}

export interface Moment {
  atMs: number;
  series: Record<string, number>;
  gone?: string[];
}

/** A quarter of an hour: as far back as any alert looks. */
const KEPT = 900;
/** By this a process is known from the one that came after it. */
const BEGAN = "process_start_time_seconds";
const names = new Map<string, Name>();

/** Takes `family{label="value",…}` apart. */
export function parse(text: string): Name {
  const known = names.get(text);
  if (known) return known;
  const open = text.indexOf("{");
  const family = open < 0 ? text : text.slice(0, open);
  const labels: Record<string, string> = {};
  if (open >= 0) {
    for (const [, label, value] of text.slice(open).matchAll(/([A-Za-z_]\w*)="((?:[^"\\]|\\.)*)"/g)) {
      labels[label!] = value!.replace(/\\(.)/g, (_, letter: string) => (letter === "n" ? "\n" : letter));
    }
  }
  const name = { family, labels };
  names.set(text, name);
  return name;
}

/** Seconds that a chart shows at least. */
const SPAN_MIN = 60;

/**
 * What the time axis shows: all there is, and a minute at least. With fewer than two moments uPlot would choose a range by itself, of
 * years around the one or around none.
 */
export function timeRange(_: unknown, first: number | null, last: number | null): [number, number] {
  const end = last ?? Date.now() / 1000;
  return [Math.min(first ?? end, end - SPAN_MIN), end];
}

type Which = (labels: Record<string, string>) => boolean;

const every: Which = () => true;

/** One moment: all series by their families. What was summed up of it once is kept, for a moment does not change. */
interface Kept {
  atMs: number;
  families: Map<string, Map<string, number>>;
  sums: WeakMap<Which, Map<string, number>>;
  fillings: WeakMap<Which, Map<string, Map<number, number>>>;
}

/**
 * The last quarter of an hour, a moment a second. Whoever asks again with the same function, rather than one that was made for the
 * question, has nothing summed up twice.
 */
export class History {
  #now = new Map<string, Map<string, number>>();
  readonly #moments: Kept[] = [];

  take({ atMs, series, gone = [] }: Moment): void {
    const next = new Map(this.#now);
    const changed = new Set<string>();
    // A family in which nothing changes is the same one at each moment.
    const own = (family: string) => {
      if (!changed.has(family)) next.set(family, new Map(next.get(family)));
      changed.add(family);
      return next.get(family)!;
    };
    for (const name of gone) own(parse(name).family).delete(name);
    for (const [name, value] of Object.entries(series)) own(parse(name).family).set(name, value);
    this.#now = next;
    this.#moments.push({ atMs, families: next, sums: new WeakMap(), fillings: new WeakMap() });
    if (this.#moments.length > KEPT) this.#moments.shift();
  }

  /**
   * The first moment of a stream, which tells of all series. What is known of the same process before stays; what another process told is
   * forgotten.
   */
  begin({ atMs, series }: Moment): void {
    const began = ([family, values]: [string, Map<string, number>]) => (family === BEGAN ? [...values.values()] : []);
    const before = [...this.#now].flatMap(began);
    const now = Object.entries(series).flatMap(([name, value]) => (parse(name).family === BEGAN ? [value] : []));
    if (before.length !== now.length || before.some((value, at) => value !== now[at])) {
      this.#now = new Map();
      this.#moments.length = 0;
    }
    const known = [...this.#now.values()].flatMap((values) => [...values.keys()]);
    this.take({ atMs, series, gone: known.filter((name) => !(name in series)) });
  }

  get times(): number[] {
    return this.#moments.map(({ atMs }) => atMs / 1000);
  }

  /** How many moments are known. */
  get moments(): number {
    return this.#moments.length;
  }

  /** The series of a family as they are, with their labels. */
  now(family: string): Series[] {
    return seriesOf(this.#now, family);
  }

  /** The series of a family as they were so many seconds ago; none if nothing is known that is as old. */
  before(family: string, agoS: number): Series[] {
    const moment = this.#moments[this.#moments.length - 1 - agoS];
    return moment ? seriesOf(moment.families, family) : [];
  }

  /** How much each series of a family grew over so many seconds, or over all that is known. */
  grown(family: string, overS: number): Grown[] {
    const last = this.#moments.at(-1);
    const first = this.#moments.at(-1 - Math.min(overS, this.#moments.length - 1));
    if (!last || !first || last === first) return [];
    // A counter that was not there had counted nothing; what anything else was nobody knows.
    const missing = family.endsWith("_total") ? 0 : undefined;
    return [...(last.families.get(family) ?? [])].map(([text, value]) => {
      const before = first.families.get(family)?.get(text) ?? missing ?? value;
      return { labels: parse(text).labels, value, grown: value - before, overS: (last.atMs - first.atMs) / 1000 };
    });
  }

  /** One number: the sum of a family's series as they are. */
  value(family: string): number {
    return this.now(family).reduce((sum, { value }) => sum + value, 0);
  }

  /** How much the chosen series grew a second, at each moment over the seconds before it. */
  rates(family: string, which: Which = every, overS = 5): (number | null)[] {
    return this.#moments.map((_, at) => this.#rateAt(at, family, which, overS));
  }

  /** The same at the last moment alone. */
  rate(family: string, which: Which = every, overS = 5): number | null {
    return this.#rateAt(this.#moments.length - 1, family, which, overS);
  }

  #rateAt(at: number, family: string, which: Which, overS: number): number | null {
    const [moment, before] = [this.#moments[at], this.#moments[Math.max(0, at - overS)]];
    if (!moment || !before || moment === before) return null;
    const seconds = (moment.atMs - before.atMs) / 1000;
    const grown = sumOf(moment, family, which) - sumOf(before, family, which);
    return seconds > 0 && grown >= 0 ? grown / seconds : null;
  }

  /** How much each series of a family grew a second over the last seconds, by a label's value. */
  ratesBy(family: string, label: string, overS = 60): Map<string, number> {
    const found = new Map<string, number>();
    const last = this.#moments.at(-1);
    const first = this.#moments.at(-1 - Math.min(overS, this.#moments.length - 1));
    if (!last || !first || last === first) return found;
    const seconds = (last.atMs - first.atMs) / 1000;
    const before = first.families.get(family);
    for (const [text, value] of last.families.get(family) ?? []) {
      const key = parse(text).labels[label] ?? "";
      const grown = Math.max(0, value - (before?.get(text) ?? 0)) / seconds;
      found.set(key, (found.get(key) ?? 0) + grown);
    }
    return found;
  }

  /** What fell into each bucket of a histogram at each moment, over the seconds before it. */
  buckets(family: string, overS: number, which: Which = every): Buckets {
    const bounds = this.#bounds(family, which, this.#moments);
    return { bounds, counts: this.#moments.map((_, at) => this.#filledAt(at, family, overS, which, bounds)) };
  }

  /** The same at the last moment alone: what fell into each. */
  lastBuckets(family: string, overS: number, which: Which = every): { bounds: number[]; counts: number[] } {
    const bounds = this.#bounds(family, which, this.#moments.slice(-1));
    return { bounds, counts: this.#filledAt(this.#moments.length - 1, family, overS, which, bounds) };
  }

  #bounds(family: string, which: Which, moments: Kept[]): number[] {
    const bounds = new Set<number>();
    for (const moment of moments) for (const bound of fillingOf(moment, family, which).keys()) bounds.add(bound);
    return [...bounds].sort((one, other) => one - other);
  }

  #filledAt(at: number, family: string, overS: number, which: Which, bounds: number[]): number[] {
    const [moment, before] = [this.#moments[at], this.#moments[Math.max(0, at - overS)]];
    if (!moment || !before) return [];
    const [now, then] = [fillingOf(moment, family, which), fillingOf(before, family, which)];
    let below = 0;
    return bounds.map((bound) => {
      const upTo = Math.max(below, (now.get(bound) ?? 0) - (then.get(bound) ?? 0));
      const own = upTo - below;
      below = upTo;
      return own;
    });
  }
}

function seriesOf(families: Map<string, Map<string, number>>, family: string): Series[] {
  return [...(families.get(family) ?? [])].map(([text, value]) => ({ labels: parse(text).labels, value }));
}

/** The sum of the chosen series of a family at a moment. */
function sumOf(moment: Kept, family: string, which: Which): number {
  return once(moment.sums, which, family, () => {
    let sum = 0;
    for (const [text, value] of moment.families.get(family) ?? []) if (which(parse(text).labels)) sum += value;
    return sum;
  });
}

/** How many fell below each bound of a histogram up to a moment. */
function fillingOf(moment: Kept, family: string, which: Which): Map<number, number> {
  return once(moment.fillings, which, family, () => {
    const filling = new Map<number, number>();
    for (const [text, value] of moment.families.get(`${family}_bucket`) ?? []) {
      const { labels } = parse(text);
      if (!which(labels)) continue;
      const bound = labels["le"] === "+Inf" ? Infinity : Number(labels["le"]);
      filling.set(bound, (filling.get(bound) ?? 0) + value);
    }
    return filling;
  });
}

function once<T>(known: WeakMap<Which, Map<string, T>>, which: Which, family: string, make: () => T): T {
  const own = known.get(which) ?? new Map<string, T>();
  known.set(which, own);
  const found = own.get(family);
  if (found !== undefined) return found;
  const made = make();
  own.set(family, made);
  return made;
}

export interface Buckets {
  /** Upper bounds, the last is infinity. */
  bounds: number[];
  /** At each moment, how many fell into each. */
  counts: number[][];
}

/** The value below which this share of all fell, within its bucket in proportion. */
export function quantile(bounds: number[], counts: number[], share: number): number | null {
  const all = counts.reduce((sum, count) => sum + count, 0);
  if (all === 0) return null;
  let left = share * all;
  for (let at = 0; at < counts.length; at += 1) {
    const count = counts[at]!;
    if (left <= count && count > 0) {
      const lower = at === 0 ? 0 : bounds[at - 1]!;
      const upper = bounds[at]!;
      return Number.isFinite(upper) ? lower + (upper - lower) * (left / count) : lower;
    }
    left -= count;
  }
  return bounds.filter(Number.isFinite).at(-1) ?? null;
}
