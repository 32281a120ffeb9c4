// An election checked from its published record alone: goes through a board's entries in their order, and believes none
// of them. The same walk as the Rust side's crates/verifier; this one is for those who have a browser and an election of
// some thousand ballots.

import type { Entry } from "../../board/entry.ts";
import { Malformed, toHex } from "../../bytes.ts";
import type { ContestResult } from "../count/result.ts";
import type { Election } from "../model.ts";
import type { Record } from "../record.ts";
import type { Answers } from "./answers.ts";
import { Blobs } from "./blobs.ts";
import { type Decided, Deciding } from "./decided.ts";
import { type Event, readEvent } from "./event.ts";
import { type Told, inEntry } from "./found.ts";
import type { List } from "./mixes.ts";
import type { OpenTally } from "./open-tally.ts";
import type { Stage, Tally } from "./tally.ts";
import { checkIssued } from "./tokens.ts";
import { type Voting, votingOf } from "./voting.ts";

/** Who puts entries on boards. */
const ACTOR = "service/elections";
const MINUTE_MS = 60_000;

/** How far a board has come, and what was found on the way. Everything before that is in order. */
export interface Checked {
  stage: "ceremony" | "defined" | "open" | "closed" | Stage;
  decided: Decided | undefined;
  /** What is to be decrypted, once all is mixed; before that, nothing. */
  lists: List[];
  /** Once the votes are counted. */
  answers: Answers[] | undefined;
  results: ContestResult[] | undefined;
}

/** Checks all of a record. Throws what is wrong first. */
export async function checkElection(election: Election, record: Record, told: Told): Promise<Checked> {
  const walk = new Walk(election, told);
  let at = 0;
  for (const [index, entry] of record.entries.entries()) {
    await inEntry(index, async () => {
      if (entry.index !== index) throw new Malformed(`it says that it is entry ${entry.index}`);
      if (entry.at < at) throw new Malformed("its time goes back");
      at = entry.at;
      await walk.take(eventOf(entry));
    });
  }
  return walk.end();
}

/** What an entry says, if it is written as all entries of boards are. */
export function eventOf(entry: Entry): Event {
  if (entry.at % MINUTE_MS !== 0) throw new Malformed("its time is not cut to the minute");
  if (entry.actor !== ACTOR || entry.subject.length > 0) throw new Malformed("it names somebody");
  return readEvent(entry);
}

function checkInTime({ manifest: { closesAt } }: Decided, { at }: Event): void {
  if (closesAt !== null && at >= Date.parse(closesAt)) {
    throw new Malformed("a vote stands there after the time at which voting was to end");
  }
}

class Walk {
  readonly #told: Told;
  readonly #blobs: Blobs;
  readonly #deciding: Deciding;
  #decided: Decided | undefined;
  #voting: Voting | undefined;
  #closed: Extract<Event, { command: "election/closed" }> | undefined;
  #tally: Tally | OpenTally | undefined;
  #stage: Checked["stage"] = "ceremony";
  #begun = false;

  constructor(election: Election, told: Told) {
    this.#told = told;
    this.#blobs = new Blobs(election.electionId);
    this.#deciding = new Deciding(election);
  }

  async take(event: Event): Promise<void> {
    if (this.#stage === "abandoned") throw new Malformed("the election is abandoned, and something follows");
    if (this.#tally) {
      await this.#tally.take(event, this.#told);
    } else if (event.command === "election/abandoned" && this.#begun) {
      this.#stage = "abandoned";
    } else if (this.#decided && this.#voting) {
      await this.#vote(this.#decided, this.#voting, event);
    } else {
      await this.#decide(event);
    }
    this.#begun = true;
    this.#stage = this.#tally?.stage ?? this.#stage;
  }

  async #decide(event: Event): Promise<void> {
    const decided = this.#deciding.take(event);
    if (!decided) return;
    [this.#decided, this.#voting, this.#stage] = [decided, votingOf(decided, this.#blobs), "defined"];
    const hash = toHex(decided.electionHash).slice(0, 16);
    await this.#told({ what: "Definition", how: `its hash is what all ballots and proofs are bound to: ${hash}…` });
    if (!decided.keys) {
      await this.#told({ what: "Secrecy", how: "there is none: whoever runs the server can tell who voted how" });
      return;
    }
    const { threshold, trustees } = decided.keys;
    const how = `made in the names of ${trustees.length} trustees, of whom ${threshold} decrypt together: only they can say that it was they, so ask them whether their programs confirmed this hash`;
    await this.#told({ what: "Key", how });
  }

  async #vote(decided: Decided, voting: Voting, event: Event): Promise<void> {
    if (this.#stage === "open" && voting.cast(event)) return checkInTime(decided, event);
    if (event.command === "election/verdicts") {
      await voting.votes.judge(event.index, event.body);
    } else if (event.command === "election/opened" && this.#stage === "defined") {
      this.#stage = "open";
      await this.#remark(event, decided.manifest.opensAt, "voting began before the time that was announced");
    } else if (event.command === "election/closed" && this.#stage === "open") {
      [this.#closed, this.#stage] = [event, "closed"];
      await this.#remark(event, decided.manifest.closesAt, "voting ended before the time that was announced");
    } else if (this.#closed) {
      await this.#voted(decided, voting);
      this.#tally = voting.tally();
      await this.#tally.take(event, this.#told);
    } else {
      throw new Malformed(`“${event.command}” has no place before the voting is closed`);
    }
  }

  /** Says what is no fault, and still to be known: that something happened earlier than was announced, as far as a minute tells. */
  async #remark({ at }: Event, announced: string | null, how: string): Promise<void> {
    if (announced !== null && at + MINUTE_MS <= Date.parse(announced)) await this.#told({ what: "Times", how });
  }

  /** Says what the votes are, when no verdict can follow any more. */
  async #voted({ manifest }: Decided, { votes, confirmed }: Voting): Promise<void> {
    const closed = this.#closed;
    const standing = votes.standing;
    if (closed) await inEntry(closed.index, () => checkIssued(manifest, closed.body, standing));
    const refused = votes.refused > 0 ? `, but for ${votes.refused} that were refused` : "";
    const waiting = votes.unchecked > 0 ? `; ${votes.unchecked} are not yet checked` : "";
    const how = `${votes.size} on the board, ${confirmed}${refused}; ${standing.length} count, one for each voter key${waiting}`;
    await this.#told({ what: "Ballots", how });
    if (!closed) return;
    const given = closed.body.issued.reduce((sum, { issued }) => sum + issued, 0);
    await this.#told({ what: "Turnout", how: `${given} tokens were given out: compare it with how many were seen to vote` });
  }

  async end(): Promise<Checked> {
    if (!this.#begun) throw new Malformed("there is nothing on this board");
    if (this.#decided && this.#voting && !this.#tally) await this.#voted(this.#decided, this.#voting);
    const { lists = [], answers, results } = this.#tally ?? {};
    return { stage: this.#stage, decided: this.#decided, lists, answers, results };
  }
}
