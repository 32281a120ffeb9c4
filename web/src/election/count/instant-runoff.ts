// Instant runoff: the last is eliminated and their ballots pass on, until somebody has more than half.

import type { Order } from "./ballots.ts";
import type { Lots } from "./lots.ts";

export interface InstantRunoff {
  rounds: Round[];
  elected: number;
}

interface Round {
  /** By candidate; of those who are out, nothing. */
  votes: (number | null)[];
  exhausted: number;
  eliminated: number | null;
  "by-lot": boolean;
}

export function countInstantRunoff(candidates: number, orders: Order[], lots: Lots): InstantRunoff {
  const ballots = orders.reduce((sum, { votes }) => sum + votes, 0);
  const standing = Array.from({ length: candidates }, () => true);
  const rounds: Round[] = [];
  for (;;) {
    const round = votesOf(orders, standing);
    rounds.push(round);
    const remaining = standing.flatMap((stands, candidate) => (stands ? [candidate] : []));
    const most = remaining.find((candidate) => 2 * round.votes[candidate]! > ballots - round.exhausted);
    const elected = most ?? (remaining.length === 1 ? remaining[0] : undefined);
    if (elected !== undefined) return { rounds, elected };
    const [last, byLot] = lastOf(remaining, rounds, lots);
    standing[last] = false;
    [round.eliminated, round["by-lot"]] = [last, byLot];
  }
}

function votesOf(orders: Order[], standing: boolean[]): Round {
  const round: Round = {
    votes: standing.map((stands) => (stands ? 0 : null)),
    exhausted: 0,
    eliminated: null,
    "by-lot": false,
  };
  for (const { order, votes } of orders) {
    const first = order.find((candidate) => standing[candidate]);
    if (first === undefined) round.exhausted += votes;
    else round.votes[first]! += votes;
  }
  return round;
}

/** Who had fewest in the most recent round in which those who are last differed, and whether lots decided it. */
function lastOf(remaining: number[], rounds: Round[], lots: Lots): [number, boolean] {
  let tied = remaining;
  for (const { votes } of [...rounds].reverse()) {
    const fewest = Math.min(...tied.map((candidate) => votes[candidate]!));
    tied = tied.filter((candidate) => votes[candidate] === fewest);
    if (tied.length === 1) return [tied[0]!, false];
  }
  return [lots.unluckiest(tied), true];
}
