// The Scottish rule of the single transferable vote: surpluses pass on with all papers, in hundred-thousandths of a vote,
// and what is beyond them is left out.

import type { Order } from "./ballots.ts";
import type { Lots } from "./lots.ts";

/** Votes are counted in so many parts of one. */
const UNITS = 100_000n;

export interface Scottish {
  /** In whole votes. */
  quota: bigint;
  stages: Stage[];
  elected: number[];
}

interface Stage {
  step: Step;
  "by-lot": boolean;
  /** By candidate, in units. */
  votes: bigint[];
  /** Units that nobody has. */
  lost: bigint;
  elected: number[];
}

type Step = "first-preferences" | { "surplus-of": number } | { exclusion: number } | "remaining";

/** Papers that say the same and came together, and what each is worth. */
interface Papers {
  order: number[];
  count: bigint;
  value: bigint;
}

type Standing = "continuing" | "surplus" | "elected" | "excluded";

export function countScottish(candidates: number, orders: Order[], seats: number, lots: Lots): Scottish {
  return new Count(candidates, orders, seats, lots).run();
}

class Count {
  readonly #seats: number;
  readonly #lots: Lots;
  readonly #total: bigint;
  readonly #quota: bigint;
  readonly #standing: Standing[];
  readonly #papers: Papers[][];
  readonly #votes: bigint[];
  readonly #stages: Stage[] = [];
  readonly #elected: number[] = [];

  constructor(candidates: number, orders: Order[], seats: number, lots: Lots) {
    [this.#seats, this.#lots] = [seats, lots];
    this.#standing = Array.from({ length: candidates }, () => "continuing");
    this.#papers = this.#standing.map(() => []);
    this.#votes = this.#standing.map(() => 0n);
    let total = 0n;
    for (const { order, votes } of orders) {
      // A paper without any preference is not valid, and does not count for the quota.
      if (order.length === 0) continue;
      this.#give(order[0]!, { order, count: BigInt(votes), value: UNITS });
      total += BigInt(votes);
    }
    [this.#total, this.#quota] = [total, total / BigInt(seats + 1) + 1n];
  }

  run(): Scottish {
    this.#endStage("first-preferences", false);
    while (this.#elected.length < this.#seats) {
      const continuing = this.#of("continuing");
      if (continuing.length <= this.#seats - this.#elected.length) {
        this.#electRemaining(continuing);
        break;
      }
      const surplus = this.#of("surplus");
      if (surplus.length > 0) {
        const [largest, byLot] = this.#pick(surplus, "most");
        this.#passOnSurplus(largest);
        this.#endStage({ "surplus-of": largest }, byLot);
      } else {
        const [last, byLot] = this.#pick(continuing, "fewest");
        this.#exclude(last);
        this.#endStage({ exclusion: last }, byLot);
      }
    }
    return { quota: this.#quota, stages: this.#stages, elected: this.#elected };
  }

  #of(standing: Standing): number[] {
    return this.#standing.flatMap((own, candidate) => (own === standing ? [candidate] : []));
  }

  #give(candidate: number, papers: Papers): void {
    this.#papers[candidate]!.push(papers);
    this.#votes[candidate]! += papers.count * papers.value;
  }

  /** Takes all papers of a candidate. */
  #take(candidate: number): Papers[] {
    const papers = this.#papers[candidate]!;
    [this.#papers[candidate], this.#votes[candidate]] = [[], 0n];
    return papers;
  }

  /** By the votes at the end of the last stage; of equals, by the most recent stage in which they differed, then by lot. */
  #pick(among: number[], wanted: "most" | "fewest"): [number, boolean] {
    let tied = among;
    for (const { votes } of [...this.#stages].reverse()) {
      const best = tied.map((candidate) => votes[candidate]!).reduce((one, other) => (other > one === (wanted === "most") ? other : one));
      tied = tied.filter((candidate) => votes[candidate] === best);
      if (tied.length === 1) return [tied[0]!, false];
    }
    return [wanted === "most" ? this.#lots.luckiest(tied) : this.#lots.unluckiest(tied), true];
  }

  #passOnSurplus(candidate: number): void {
    const votes = this.#votes[candidate]!;
    const surplus = votes - this.#quota * UNITS;
    this.#standing[candidate] = "elected";
    for (const papers of this.#take(candidate)) {
      this.#passOn(candidate, { ...papers, value: (surplus * papers.value) / votes });
    }
    this.#votes[candidate] = this.#quota * UNITS;
  }

  #exclude(candidate: number): void {
    this.#standing[candidate] = "excluded";
    for (const papers of this.#take(candidate)) this.#passOn(candidate, papers);
  }

  /** To the next candidate on the paper who is still in the running. */
  #passOn(from: number, papers: Papers): void {
    const after = papers.order.slice(papers.order.indexOf(from) + 1);
    const next = after.find((candidate) => this.#standing[candidate] === "continuing");
    if (next !== undefined) this.#give(next, papers);
  }

  /** Writes down how everybody stands, and elects whoever has the quota. */
  #endStage(step: Step, byLot: boolean): void {
    const votes = [...this.#votes];
    const lost = this.#total * UNITS - votes.reduce((sum, own) => sum + own, 0n);
    const stage: Stage = { step, "by-lot": byLot, votes, lost, elected: [] };
    this.#stages.push(stage);
    const quota = this.#quota * UNITS;
    let reached = this.#of("continuing").filter((candidate) => votes[candidate]! >= quota);
    while (reached.length > 0 && this.#elected.length < this.#seats) {
      const [next] = this.#pick(reached, "most");
      reached = reached.filter((candidate) => candidate !== next);
      this.#standing[next] = votes[next]! > quota ? "surplus" : "elected";
      this.#elected.push(next);
      stage.elected.push(next);
    }
  }

  #electRemaining(continuing: number[]): void {
    const elected: number[] = [];
    for (let remaining = continuing; remaining.length > 0; ) {
      const [next] = this.#pick(remaining, "most");
      remaining = remaining.filter((candidate) => candidate !== next);
      elected.push(next);
    }
    this.#stages.push({ ...this.#stages.at(-1)!, step: "remaining", "by-lot": false, elected });
    this.#elected.push(...elected);
  }
}
