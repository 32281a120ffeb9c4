// Schulze's method: whoever has a stronger path of victories over everybody else than they have back.

import type { Ranking } from "./ballots.ts";
import type { Lots } from "./lots.ts";

export interface Schulze {
  /** How many prefer the first of two to the second. */
  preferred: number[][];
  /** The strength of the strongest path from the first of two to the second. */
  strongest: number[][];
  /** The winner first. */
  order: number[];
  /** Candidates whom nobody beats. Of several, lots decided. */
  unbeaten: number[];
}

export function countSchulze(candidates: number, rankings: Ranking[], lots: Lots): Schulze {
  const all = Array.from({ length: candidates }, (_, candidate) => candidate);
  const preferred = preferredOf(all, rankings);
  const strongest = strongestOf(all, preferred);
  const beats = (one: number, other: number) => strongest[one]![other]! > strongest[other]![one]!;
  const victories = all.map((one) => all.filter((other) => beats(one, other)).length);
  const defeats = all.map((one) => all.filter((other) => beats(other, one)).length);
  const by = (one: number, other: number) =>
    defeats[one]! - defeats[other]! || victories[other]! - victories[one]! || lots.place(one) - lots.place(other);
  return { preferred, strongest, order: [...all].sort(by), unbeaten: all.filter((one) => defeats[one] === 0) };
}

/** Whoever a ballot does not rank comes after all it ranks, and equally. */
function preferredOf(all: number[], rankings: Ranking[]): number[][] {
  const preferred = all.map(() => new Float64Array(all.length));
  for (const { groups, votes } of rankings) {
    // As many as prefer somebody to each of those who come after, and none to the others.
    const after = new Float64Array(all.length).fill(votes);
    for (const group of groups) {
      for (const one of group) after[one] = 0;
      for (const one of group) add(preferred[one]!, after);
    }
  }
  return preferred.map((row) => Array.from(row));
}

function add(row: Float64Array, more: Float64Array): void {
  for (let other = 0; other < row.length; other += 1) row[other]! += more[other]!;
}

/** Floyd and Warshall's algorithm, for the widest paths. */
function strongestOf(all: number[], preferred: number[][]): number[][] {
  const victory = (one: number, other: number) => {
    const [own, others] = [preferred[one]![other]!, preferred[other]![one]!];
    return own > others ? own : 0;
  };
  const strongest = all.map((one) => Float64Array.from(all, (other) => victory(one, other)));
  for (const between of all) {
    const onward = strongest[between]!;
    for (const row of strongest) {
      const to = row[between]!;
      // Nobody is stronger this way whom nothing leads to.
      if (to > 0) widen(row, to, onward);
    }
  }
  return strongest.map((row, one) => Array.from(row, (strength, other) => (one === other ? 0 : strength)));
}

/** What a path gains that goes on from where `to` leads. */
function widen(row: Float64Array, to: number, onward: Float64Array): void {
  for (let other = 0; other < row.length; other += 1) {
    const around = Math.min(to, onward[other]!);
    if (around > row[other]!) row[other] = around;
  }
}
