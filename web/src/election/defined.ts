// What an election is: its manifest, as it stands on the public board for everybody. A server could show one voter another
// definition than all others, with a key of its own or the options in another order; so booths believe none that is not on
// the board, and ask for it without saying who asks.

import { Malformed, fromHex } from "../bytes.ts";
import { entriesOf } from "../board/entries.ts";
import type { Entry } from "../board/entry.ts";
import { checkGrown } from "../board/growth.ts";
import { type Checkpoint, readCheckpoint, readKey } from "../board/note.ts";
import { Tree } from "../board/tree.ts";
import type { Element } from "../mixnet/group.ts";
import { decodeKeys } from "../mixnet/trustees.ts";
import { askText } from "../page/api.ts";
import type { Election } from "./model.ts";
import { type Manifest, readManifest } from "./verify/manifest.ts";
import { readEvent } from "./verify/event.ts";

/** A definition that was read from a board. */
export interface Defined {
  manifest: Manifest;
  electionHash: Uint8Array;
  /** The board that it stands on. */
  board: NonNullable<Election["board"]>;
}

const PAGE_MAX = 1000;

/** The newest checkpoint that a board's own key signed. */
async function newestOf(election: Election): Promise<Checkpoint> {
  const path = `/api/v1/public/elections/${election.electionId}/board/checkpoint`;
  return signedOf(election, await askText(path, { anonymous: true }));
}

/** What a checkpoint of an election's board says, if its key signed it. */
export function signedOf({ board }: Election, note: string): Checkpoint {
  if (!board) throw new Malformed("this election has no board yet");
  return readCheckpoint(note, board.origin, board.keys.map(readKey).filter((key) => key !== undefined));
}

/** Reads the definition from the board, and proves that it stands there under a checkpoint: this one, or the newest. */
export async function readDefined(election: Election, under?: Checkpoint): Promise<Defined> {
  const checkpoint = under ?? (await newestOf(election));
  const base = `/api/v1/public/elections/${election.electionId}/board`;
  const tree = new Tree();
  for await (const entries of entriesOf(base, tree, checkpoint.size, entriesBefore(election))) {
    const found = entries.find(({ command }) => command === "election/defined");
    if (!found) continue;
    await checkGrown(base, { size: tree.size, root: tree.root() }, checkpoint);
    return definedBy(found, election);
  }
  throw new Malformed("the board does not define this election");
}

/** So many entries there are up to the definition, by what the server says: if it is not so, more are read. */
function entriesBefore({ attempt, trustees }: Election): number {
  const each = 2 + 5 * (trustees?.names.length ?? 0);
  return Math.min(PAGE_MAX, each * Math.max(1, attempt ?? 1));
}

function definedBy(entry: Entry, { electionId, board }: Election): Defined {
  const event = readEvent(entry);
  if (event.command !== "election/defined") throw new Malformed("another entry than the definition");
  const { manifest, electionHash } = readManifest(event.body.manifest);
  if (manifest.electionId !== electionId) throw new Malformed("the board defines another election");
  return { manifest, electionHash, board: board! };
}

/** The key that ballots are encrypted with. */
export function keyOf({ keys }: Manifest): Element {
  if (keys === null) throw new Malformed("the votes of this election are not secret: there is no key");
  return decodeKeys(fromHex(keys)).key;
}

export function weightsOf({ issuers }: Manifest): number[] {
  return issuers.map(({ weight }) => weight);
}
