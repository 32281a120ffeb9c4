// The votes of an election, secret or not, and the tally that follows from them.

import type { Blobs } from "./blobs.ts";
import type { Decided } from "./decided.ts";
import type { Event } from "./event.ts";
import { OpenTally } from "./open-tally.ts";
import { openVotes } from "./open-votes.ts";
import { secretVotes } from "./secret-votes.ts";
import { Tally } from "./tally.ts";
import { type Vote, Votes } from "./votes.ts";

export interface Voting {
  votes: Pick<Votes<Vote>, "judge" | "size" | "refused" | "unchecked" | "standing">;
  /** What is right about a vote that was confirmed, in a few words. */
  confirmed: string;
  /** Whether an entry is a vote of this election; then it is taken. One of the other kind is none, refused or not. */
  cast(event: Event): boolean;
  tally(): Tally | OpenTally;
}

export function votingOf(decided: Decided, blobs: Blobs): Voting {
  if (decided.keys) {
    const votes = new Votes(secretVotes(decided));
    const cast = (event: Event) => {
      if (event.command !== "election/ballot") return false;
      votes.cast({ ...event.body, index: event.index });
      return true;
    };
    const tally = () => new Tally(decided, blobs, votes);
    return { votes, confirmed: "each with signature and proof", cast, tally };
  }
  const votes = new Votes(openVotes(decided));
  const cast = (event: Event) => {
    if (event.command !== "election/open-ballot") return false;
    votes.cast({ ...event.body, index: event.index });
    return true;
  };
  const tally = () => new OpenTally(decided, blobs, votes);
  return { votes, confirmed: "each an answer to every contest", cast, tally };
}
