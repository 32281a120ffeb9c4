// Whether the key on the public board is the one that this trustee made. What trustees say on a board is not signed: a
// server could make a key with them, and put another one on the board that it made in their names. Only they can tell.

import { type Sized, Tree } from "../../board/tree.ts";
import { checkGrown } from "../../board/growth.ts";
import { entriesOf } from "../../board/entries.ts";
import { Malformed, fromHex, toBase64, toHex } from "../../bytes.ts";
import { G, decodeScalar, times } from "../../mixnet/group.ts";
import type { Election } from "../model.ts";
import { boardOf, readSigned } from "../record.ts";
import type { Step } from "../verify/ceremony.ts";
import { type Decided, Deciding, type SecretlyDecided } from "../verify/decided.ts";
import { eventOf } from "../verify/walk.ts";
import { Safe } from "./safe.ts";

const PAGE = 1000;

/** A trustee's share of a board's key. */
export interface Own {
  trustee: number;
  share: bigint;
}

/**
 * The election's hash, if the key on the public board is this trustee's; nothing if the board has not come so far. Votes and
 * what comes of them are not looked at, which is what takes long.
 */
export async function confirmKey(election: Election): Promise<string | null> {
  if (!election.board) return null;
  const safe = Safe.of(election.electionId);
  // The keys from when this device first saw the board: others would sign whatever this trustee is to believe now.
  const keys = safe.boardKeys(election.board.keys);
  const signed = { ...election, board: { ...election.board, keys } };
  const checkpoint = await readSigned(signed);
  const { decided, board } = await readDecided(signed, checkpoint);
  await refuseOtherBoard(safe, boardOf(election), checkpoint);
  if (!decided) return null;
  if (!decided.keys) throw new Malformed("the votes of this election are not secret: there is no key");
  ownShare(safe, decided);
  safe.saw(board);
  return toHex(decided.electionHash);
}

/** What a board decides, up to where it does, proven to stand under a checkpoint. */
async function readDecided(election: Election, checkpoint: Sized): Promise<{ decided?: Decided; board: Sized }> {
  const [fetched, tree, deciding] = [new Tree(), new Tree(), new Deciding(election)];
  let decided: Decided | undefined;
  for await (const entries of entriesOf(boardOf(election), fetched, checkpoint.size, PAGE)) {
    for (const entry of entries) {
      tree.add(entry.hash);
      decided = deciding.take(eventOf(entry));
      if (decided) break;
    }
    if (decided) break;
  }
  const board = { size: tree.size, root: tree.root() };
  if (board.size > 0) await checkGrown(boardOf(election), board, checkpoint);
  return decided ? { decided, board } : { board };
}

/** Refuses a board that is not what this device checked before, or does not go on from it. */
export async function refuseOtherBoard(safe: Safe, base: string, now: Sized): Promise<void> {
  for (const before of safe.seen) {
    if (before.size > now.size) {
      throw new Malformed("the board is shorter than what this device checked before. If it stays so, tell the election’s officers and observers");
    }
    await checkGrown(base, before, now);
  }
}

/** The share of the key that the board shows, if the board says in this trustee’s name what they said, and nothing else. */
export function ownShare(safe: Safe, { manifest, keys, ceremony }: SecretlyDecided): Own {
  const kept = safe.attempt(manifest.attempt);
  if (!kept?.share) throw new Malformed("this device does not hold your share of the key that is on the public board");
  const { trustee, transport, opening, dealing } = kept;
  // The opening is bound to the threshold and to all transport keys, and what was sealed follows from it: a key that it is a
  // part of is one that nobody has alone.
  const own: [string, Step, string | undefined][] = [
    ["a transport key", "transport-key", toBase64(times(G, decodeScalar(fromHex(transport))).toBytes())],
    ["an opening", "opening", opening],
    ["a dealing", "dealing", dealing],
  ];
  for (const [what, step, said] of own) {
    const heard = ceremony.heard(step, trustee);
    if (said === undefined || !heard || toBase64(heard) !== said) {
      throw new Malformed(`the public board has ${what} in your name that this device did not say: its key is not the one that you made. Tell the election’s officers, the other trustees and the observers`);
    }
  }
  const share = decodeScalar(fromHex(kept.share));
  const key = keys.trustees[trustee - 1];
  // Not enough by itself: whoever chooses the others' parts can choose them so that this trustee's share fits.
  if (!key || !times(G, share).equals(key)) throw new Malformed("the share on this device is not of this election’s key");
  return { trustee, share };
}
