// Plurality, approval and score: whoever has the most is elected.

import type { Lots } from "./lots.ts";

export interface Most {
  /** Votes, approvals or points, by candidate. */
  counts: number[];
  /** The most first. */
  elected: number[];
  /** Candidates with equal counts of whom not all are elected: lots decided among them. */
  tied: number[];
}

export function countMost(counts: number[], seats: number, lots: Lots): Most {
  const order = counts.map((_, candidate) => candidate);
  order.sort((one, other) => counts[other]! - counts[one]! || lots.place(one) - lots.place(other));
  const elected = order.slice(0, seats);
  const [last, next] = [elected.at(-1), order[seats]];
  const divided = last !== undefined && next !== undefined && counts[last] === counts[next];
  const tied = divided ? counts.flatMap((count, candidate) => (count === counts[last] ? [candidate] : [])) : [];
  return { counts, elected, tied };
}
