// A process's series over the last minutes, as its stream tells them.

/** A series' name and labels, apart. */
export interface Name {
  family: string;
  labels: Record<string, string>;
}

export interface Moment {
  atMs: number;
  series: Record<string, number>;
  gone?: string[];
}

const KEPT = 600;
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

/** The last ten minutes, a moment a second. */
export class History {
  #now = new Map<string, number>();
  readonly #moments: { atMs: number; values: Map<string, number> }[] = [];

  take({ atMs, series, gone = [] }: Moment): void {
    const next = new Map(this.#now);
    for (const name of gone) next.delete(name);
    for (const [name, value] of Object.entries(series)) next.set(name, value);
    this.#now = next;
    this.#moments.push({ atMs, values: next });
    if (this.#moments.length > KEPT) this.#moments.shift();
  }

  /** Forgets everything: the process that is followed is another one now. */
  clear(): void {
    this.#now = new Map();
    this.#moments.length = 0;
  }

  get times(): number[] {
    return this.#moments.map(({ atMs }) => atMs / 1000);
  }

  /** The series of a family as they are, with their labels. */
  now(family: string): { labels: Record<string, string>; value: number }[] {
    const found: { labels: Record<string, string>; value: number }[] = [];
    for (const [text, value] of this.#now) {
      const name = parse(text);
      if (name.family === family) found.push({ labels: name.labels, value });
    }
    return found;
  }

  /** One number: the sum of a family's series as they are. */
  value(family: string): number {
    return this.now(family).reduce((sum, { value }) => sum + value, 0);
  }

  /** How much the chosen series grew a second, at each moment over the seconds before it. */
  rates(family: string, which: (labels: Record<string, string>) => boolean = () => true, overS = 5): (number | null)[] {
    const sums = this.#moments.map(({ values }) => {
      let sum = 0;
      for (const [text, value] of values) {
        const name = parse(text);
        if (name.family === family && which(name.labels)) sum += value;
      }
      return sum;
    });
    return this.#growth(sums, overS);
  }

  #growth(sums: number[], overS: number): (number | null)[] {
    return sums.map((sum, at) => {
      const from = Math.max(0, at - overS);
      if (from === at) return null;
      const seconds = (this.#moments[at]!.atMs - this.#moments[from]!.atMs) / 1000;
      const grown = sum - sums[from]!;
      return seconds > 0 && grown >= 0 ? grown / seconds : null;
    });
  }

  /** How much each series of a family grew a second over the last seconds, by a label's value. */
  ratesBy(family: string, label: string, overS = 60): Map<string, number> {
    const found = new Map<string, number>();
    const last = this.#moments.at(-1);
    const first = this.#moments.at(-1 - Math.min(overS, this.#moments.length - 1));
    if (!last || !first || last === first) return found;
    const seconds = (last.atMs - first.atMs) / 1000;
    for (const [text, value] of last.values) {
      const name = parse(text);
      if (name.family !== family) continue;
      const key = name.labels[label] ?? "";
      const grown = Math.max(0, value - (first.values.get(text) ?? 0)) / seconds;
      found.set(key, (found.get(key) ?? 0) + grown);
    }
    return found;
  }

  /** What fell into each bucket of a histogram at each moment, over the seconds before it. */
  buckets(family: string, overS: number, which: (labels: Record<string, string>) => boolean = () => true): Buckets {
    const bounds = new Set<number>();
    const sums = this.#moments.map(({ values }) => {
      const sum = new Map<number, number>();
      for (const [text, value] of values) {
        const name = parse(text);
        if (name.family !== `${family}_bucket` || !which(name.labels)) continue;
        const bound = name.labels["le"] === "+Inf" ? Infinity : Number(name.labels["le"]);
        bounds.add(bound);
        sum.set(bound, (sum.get(bound) ?? 0) + value);
      }
      return sum;
    });
    const sorted = [...bounds].sort((one, other) => one - other);
    const grown = sums.map((sum, at) => {
      const before = sums[Math.max(0, at - overS)]!;
      let below = 0;
      return sorted.map((bound) => {
        const upTo = Math.max(below, (sum.get(bound) ?? 0) - (before.get(bound) ?? 0));
        const own = upTo - below;
        below = upTo;
        return own;
      });
    });
    return { bounds: sorted, counts: grown };
  }
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
