// What the board says of a ballot, and what of that is proven: where it stands, what it is, and what came of it.

import { type Entry, readEntry } from "../board/entry.ts";
import type { Checkpoint } from "../board/note.ts";
import { isIncluded } from "../board/tree.ts";
import { Malformed, fromBase64, fromHex, toHex } from "../bytes.ts";
import { isSigned } from "../signature.ts";
import { encodeStatement, trackerOf, trackerOfCast } from "./bindings.ts";
import { readEvent } from "./verify/event.ts";
import { base64, hex, list, members, u32 } from "./verify/shape.ts";

/** An entry, and that it stands on the board, once a checkpoint covers it. */
interface Shown {
  index: number;
  leafBytes: string;
  inclusionProof?: string[];
  checkpoint?: string;
}

/** What the server says of a ballot. */
export interface Found extends Shown {
  status: "RECEIVED" | "CONFIRMED" | "REFUSED";
  /** The entry that says what came of it. */
  verdict?: Shown | null;
  /** The tracker of the ballot that stands instead of this one. */
  supersededBy?: string | null;
  /** So many ballots of the same key were refused that the one that stands was not looked for. */
  buried?: boolean;
}

export type Verdict = { confirmed: true } | { confirmed: false; reason: string };

/** What is proven of a ballot. */
export interface Proven {
  index: number;
  leafHash: Uint8Array;
  voter: string;
  sequence: number;
  /** Nothing while the board says nothing of it. */
  verdict: Verdict | undefined;
  /** What all that is proven under. Whether that is one board is another question. */
  checkpoints: Checkpoint[];
}

/** Reads a checkpoint that the board signed. */
type Read = (note: string) => Checkpoint;

/** The entry, if it stands on the board that was signed. */
function entryOf({ index, leafBytes, inclusionProof = [], checkpoint: note }: Shown, read: Read): { entry: Entry; checkpoint: Checkpoint } {
  const entry = readEntry(fromBase64(leafBytes));
  if (entry.index !== index) throw new Malformed("the entry stands elsewhere than was said");
  if (note === undefined) throw new Malformed("the board has not signed this entry");
  const checkpoint = read(note);
  if (!isIncluded(entry.hash, index, checkpoint, inclusionProof.map(fromBase64))) {
    throw new Malformed("the entry is not on the board that was signed");
  }
  return { entry, checkpoint };
}

/** What a board's verdicts say of one entry. */
export function verdictOf(verdicts: Entry, index: number): Verdict {
  const event = readEvent(verdicts);
  if (event.command !== "election/verdicts") throw new Malformed("what is shown as a verdict is none");
  const { from, to, refused } = event.body;
  if (!(from <= index && index < to && to <= event.index)) throw new Malformed("the verdict is about other ballots");
  const found = refused.find((refused) => refused.index === index);
  return found ? { confirmed: false, reason: found.reason } : { confirmed: true };
}

/** What checkpoints prove of a ballot. Throws if it is not what the server says. */
export function prove(found: Found, tracker: string, read: Read, electionHash: Uint8Array): Proven {
  const { index } = found;
  const own = entryOf(found, read);
  const judged = found.verdict ? entryOf(found.verdict, read) : undefined;
  const verdict = judged && verdictOf(judged.entry, index);
  const status = !verdict ? "RECEIVED" : verdict.confirmed ? "CONFIRMED" : "REFUSED";
  if (found.status !== status) {
    throw new Malformed(`the server says ${found.status.toLowerCase()}, and the board ${verdict ? status.toLowerCase() : "nothing of that"}`);
  }
  const { voter, sequence } = voteOf(own.entry, tracker, electionHash, verdict?.confirmed === true);
  const checkpoints = [own, ...(judged ? [judged] : [])].map(({ checkpoint }) => checkpoint);
  return { index, leafHash: own.entry.hash, voter, sequence, verdict, checkpoints };
}

const secretBody = members({ voter: hex(32), token: hex(64), weight: u32, sequence: u32, ballots: list(base64), signature: hex(64) });

/** Whose the vote is, if it has this tracker, and its voter's signature if it was confirmed. */
function voteOf(entry: Entry, tracker: string, electionHash: Uint8Array, confirmed: boolean): { voter: string; sequence: number } {
  const other = new Malformed("the entry is another ballot’s");
  if (entry.command === "election/open-ballot") {
    const event = readEvent(entry);
    if (event.command !== "election/open-ballot") throw other;
    if (toHex(trackerOfCast(fromHex(event.body.voter), entry.body)) !== tracker) throw other;
    return { voter: event.body.voter, sequence: 0 };
  }
  const body: unknown = JSON.parse(new TextDecoder().decode(entry.body));
  if (entry.command !== "election/ballot" || !secretBody(body)) throw new Malformed("the entry is no ballot");
  const { voter, token, weight, sequence, ballots, signature } = body;
  const voterKey = fromHex(voter);
  const statement = { electionHash, voterKey, token: fromHex(token), weight, sequence, ballots: ballots.map(fromBase64) };
  if (toHex(trackerOf(statement)) !== tracker) throw other;
  if (confirmed && !isSigned(encodeStatement(statement), fromHex(signature), voterKey)) {
    throw new Malformed("the ballot was confirmed, but its voter did not sign it");
  }
  return { voter, sequence };
}

/** Refuses a ballot that is said to stand instead of another, but cannot. */
export function checkSupersedes(later: Proven, earlier: Proven): void {
  if (later.voter !== earlier.voter) throw new Malformed("the ballot that is said to stand instead is another voter’s");
  if (!later.verdict?.confirmed) throw new Malformed("the ballot that is said to stand instead was not confirmed");
  const higher = later.sequence > earlier.sequence;
  if (!higher && !(later.sequence === earlier.sequence && later.index > earlier.index)) {
    throw new Malformed("the ballot that is said to stand instead was made before this one");
  }
}
