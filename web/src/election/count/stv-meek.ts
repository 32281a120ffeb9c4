// Meek's method by the reference rule of the Proportional Representation Foundation: billionths of a vote, rounded up
// where it says so. Those who are elected keep as much of each vote as they need, which is found by coming closer.

import type { Order } from "./ballots.ts";
import type { Lots } from "./lots.ts";

/** Votes, and what candidates keep of each, are counted in so many parts of one. */
const UNITS = 1_000_000_000n;
/** A surplus below it is none: one millionth of a vote. */
const SURPLUS_MIN = UNITS / 1_000_000n;
const ITERATIONS_MAX = 100_000;

export interface Meek {
  rounds: Round[];
  /** In the order of their election. */
  elected: number[];
}

interface Round {
  iterations: number;
  quota: bigint;
  votes: bigint[];
  kept: bigint[];
  surplus: bigint;
  step: Step;
}

type Step = { elected: number[] } | { defeated: { candidate: number; "by-lot": boolean } } | { remaining: number[] };

/** How votes stand at one moment. */
interface Votes {
  quota: bigint;
  votes: bigint[];
  surplus: bigint;
}

export function countMeek(candidates: number, orders: Order[], seats: number, lots: Lots): Meek {
  const count = new Count(candidates, orders, seats, lots);
  const [rounds, elected]: [Round[], number[]] = [[], []];
  while (elected.length < seats) {
    const round = count.hopeful.length <= seats - elected.length ? count.remaining() : count.round(seats - elected.length);
    rounds.push(round);
    if ("elected" in round.step) elected.push(...round.step.elected);
    if ("remaining" in round.step) {
      elected.push(...round.step.remaining);
      break;
    }
  }
  return { rounds, elected };
}

class Count {
  readonly #orders: Order[];
  readonly #seats: number;
  readonly #lots: Lots;
  readonly #standing: ("hopeful" | "elected" | "defeated")[];
  readonly #kept: bigint[];

  constructor(candidates: number, orders: Order[], seats: number, lots: Lots) {
    [this.#orders, this.#seats, this.#lots] = [orders, seats, lots];
    this.#standing = Array.from({ length: candidates }, () => "hopeful");
    this.#kept = this.#standing.map(() => UNITS);
  }

  #of(standing: "hopeful" | "elected"): number[] {
    return this.#standing.flatMap((own, candidate) => (own === standing ? [candidate] : []));
  }

  get hopeful(): number[] {
    return this.#of("hopeful");
  }

  /** As many candidates are left as seats. */
  remaining(): Round {
    const votes = this.#distribute();
    return this.#ended(1, votes, { remaining: this.#sorted(this.hopeful, votes) });
  }

  /** Comes closer until somebody is elected, or nothing is left to pass on and the last is defeated. */
  round(seatsLeft: number): Round {
    let before: bigint | undefined;
    for (let iterations = 1; ; iterations += 1) {
      const votes = this.#distribute();
      const newly = this.#elect(votes, seatsLeft);
      if (newly.length > 0) return this.#ended(iterations, votes, { elected: newly });
      const stuck = before !== undefined && votes.surplus >= before;
      if (votes.surplus < SURPLUS_MIN || stuck || iterations === ITERATIONS_MAX) {
        return this.#ended(iterations, votes, { defeated: this.#defeat(votes) });
      }
      this.#keepLess(votes);
      before = votes.surplus;
    }
  }

  #ended(iterations: number, { quota, votes, surplus }: Votes, step: Step): Round {
    return { iterations, quota, votes, kept: [...this.#kept], surplus, step };
  }

  /** Each ballot passes along its candidates, who keep their parts, rounded up. */
  #distribute(): Votes {
    const votes = this.#standing.map(() => 0n);
    for (const { order, votes: count } of this.#orders) {
      let weight = UNITS;
      for (const candidate of order) {
        const part = roundedUp(weight * this.#kept[candidate]!, UNITS);
        votes[candidate]! += part * BigInt(count);
        weight -= part;
        if (weight === 0n) break;
      }
    }
    const quota = votes.reduce((sum, own) => sum + own, 0n) / BigInt(this.#seats + 1) + 1n;
    const over = this.#of("elected").map((candidate) => votes[candidate]! - quota);
    return { quota, votes, surplus: over.reduce((sum, own) => (own > 0n ? sum + own : sum), 0n) };
  }

  /** The most votes first, and of equals the luckier. */
  #sorted(candidates: number[], { votes }: Votes): number[] {
    const more = (one: number, other: number) => (votes[one] === votes[other] ? 0 : votes[one]! > votes[other]! ? -1 : 1);
    return [...candidates].sort((one, other) => more(one, other) || this.#lots.place(one) - this.#lots.place(other));
  }

  #elect(votes: Votes, seatsLeft: number): number[] {
    const reached = this.hopeful.filter((candidate) => votes.votes[candidate]! >= votes.quota);
    const elected = this.#sorted(reached, votes).slice(0, seatsLeft);
    for (const candidate of elected) this.#standing[candidate] = "elected";
    return elected;
  }

  /** Those who could still be overtaken by what is to be passed on count as tied with the last. */
  #defeat({ votes, surplus }: Votes): { candidate: number; "by-lot": boolean } {
    const fewest = this.hopeful.map((candidate) => votes[candidate]!).reduce((one, other) => (other < one ? other : one));
    const tied = this.hopeful.filter((candidate) => votes[candidate]! <= fewest + surplus);
    const candidate = this.#lots.unluckiest(tied);
    [this.#standing[candidate], this.#kept[candidate]] = ["defeated", 0n];
    return { candidate, "by-lot": tied.length > 1 };
  }

  #keepLess({ quota, votes }: Votes): void {
    for (const candidate of this.#of("elected")) {
      const needed = roundedUp(this.#kept[candidate]! * quota, UNITS);
      const own = votes[candidate]!;
      const kept = roundedUp(needed * UNITS, own > 0n ? own : 1n);
      // Never more than all: the quota falls while votes run out, and so may be above what somebody has.
      this.#kept[candidate] = kept < UNITS ? kept : UNITS;
    }
  }
}

function roundedUp(dividend: bigint, divisor: bigint): bigint {
  return (dividend + divisor - 1n) / divisor;
}
