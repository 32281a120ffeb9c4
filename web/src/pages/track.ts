// Proves on this device what the page says of a ballot: that its entry stands on the board under a signed checkpoint.

import { sha256 } from "@noble/hashes/sha2.js";
import { readEntry } from "../board/entry.ts";
import { readCheckpoint, readKey } from "../board/note.ts";
import { isIncluded } from "../board/tree.ts";
import { Malformed, fromBase64, fromHex, toHex } from "../bytes.ts";
import { trackerOf } from "../election/bindings.ts";
import type { Election } from "../election/model.ts";
import { ask, message } from "../page/api.ts";
import { h, root } from "../page/dom.ts";

interface Found {
  status: "RECEIVED" | "CONFIRMED" | "REFUSED";
  index: number;
  leafBytes: string;
  inclusionProof?: string[];
  checkpoint?: string;
}

const place = root();
const { election: electionId, tracker, status } = place.dataset as Record<"election" | "tracker" | "status", string>;

void prove();

async function prove(): Promise<void> {
  const base = `/api/v1/public/elections/${electionId}`;
  try {
    const [election, found] = await Promise.all([
      ask<Election>(base, { anonymous: true }),
      ask<Found>(`${base}/ballots/${tracker}`, { anonymous: true }),
    ]);
    // It was checked while this page was on its way: let the page say so too.
    if (found.status !== status) return location.reload();
    if (!found.checkpoint || !found.inclusionProof) {
      say("wait", "The board has not been signed since this ballot came in. This page asks again by itself.");
      setTimeout(() => location.reload(), 3000);
      return;
    }
    const { size } = check(election, found as Required<Found>);
    say("good", `Checked on this device: this ballot is entry ${found.index} of the ${size} that the board has signed.`);
    if (found.status === "RECEIVED") setTimeout(() => location.reload(), 3000);
  } catch (error) {
    say("bad", `The proof does not hold. ${message(error)}`);
  }
}

function check(election: Election, found: Required<Found>): { size: number } {
  const keys = election.board!.keys.map(readKey).filter((key) => key !== undefined);
  const checkpoint = readCheckpoint(found.checkpoint, election.board!.origin, keys);
  const entry = readEntry(fromBase64(found.leafBytes));
  if (entry.index !== found.index) throw new Malformed("the entry stands elsewhere than was said");
  if (!isIncluded(entry.hash, found.index, checkpoint, found.inclusionProof.map(fromBase64))) {
    throw new Malformed("the entry is not on the board that was signed");
  }
  if (entry.command === "election/ballot") {
    const body = JSON.parse(new TextDecoder().decode(entry.body)) as {
      voter: string;
      token: string;
      weight: number;
      ballots: string[];
    };
    const statement = {
      electionHash: fromHex(election.electionHash!),
      voterKey: fromHex(body.voter),
      token: fromHex(body.token),
      weight: body.weight,
      ballots: body.ballots.map(fromBase64),
    };
    if (toHex(trackerOf(statement)) !== tracker) throw new Malformed("the entry is another ballot’s");
  } else if (toHex(sha256(entry.body)) !== tracker) {
    // A vote that is not secret is named by what it says.
    throw new Malformed("the entry is another ballot’s");
  }
  return checkpoint;
}

function say(kind: "good" | "bad" | "wait", text: string): void {
  place.replaceChildren(h("p", { class: `proof proof--${kind}`, role: "status" }, text));
}
