// A check of a ledger on this device: both signatures under every checkpoint that is shown, that each checkpoint continues the one that this
// browser has seen before, and that entries chosen at random stand under them.

import { newestOfOne } from "../board/growth.ts";
import type { Checkpoint } from "../board/note.ts";
import { readSignedBy } from "../board/signed.ts";
import { isIncluded, leafHash } from "../board/tree.ts";
import { Malformed, fromBase64, toBase64 } from "../bytes.ts";
import { ask, askText } from "../page/api.ts";

/** What a browser remembers of a ledger: by what it is signed, and the newest tree that was proven. */
export interface Seen {
  origin: string;
  keys: string[];
  size: number;
  root: string;
}

export interface Checked {
  /** How many entries were proven. */
  proven: number;
  seen: Seen;
}

interface Proven {
  entry: { index: number };
  leafBytes: string;
  inclusionProof: string[];
  checkpoint: string;
}

interface Signer {
  origin: string;
  keys: string[];
}

/** Checks a ledger against what was seen of it before, if anything was, and gives what to remember. */
export async function checkLedger(name: string, before: Seen | null, samples: number): Promise<Checked> {
  const ledger = `/ledger/${name}`;
  const signer = await ask<Signer>(`${ledger}/keys`, { anonymous: true });
  if (before && !isSame(before, signer)) throw new Malformed("the ledger is signed with other keys than when this browser saw it first");
  const newest = await readSignedBy(await askText(`${ledger}/checkpoint`), signer.origin, signer.keys);
  if (before && before.size > newest.size) {
    throw new Malformed(`there were ${before.size} entries before, and now there are ${newest.size}`);
  }
  const indexes = chosen(Math.min(samples, newest.size), newest.size);
  const shown = await proveAll(ledger, signer, indexes);
  const known = before ? [{ size: before.size, root: fromBase64(before.root) }] : [];
  // Every checkpoint that was shown here, and the one that was kept, must be of one tree that only grew.
  const { size, root } = await newestOfOne(ledger, [...known, newest, ...shown]);
  return { proven: indexes.size, seen: { ...signer, size, root: toBase64(root) } };
}

/** So many places of a ledger, chosen at random. */
function chosen(count: number, size: number): Set<number> {
  const indexes = new Set<number>();
  while (indexes.size < count) indexes.add(Math.floor(Math.random() * size));
  return indexes;
}

function isSame(before: Seen, { origin, keys }: Signer): boolean {
  return before.origin === origin && before.keys.length === keys.length && before.keys.every((key, at) => key === keys[at]);
}

/** Proves these entries; gives the checkpoints that their proofs lead to, each once. */
async function proveAll(ledger: string, { origin, keys }: Signer, indexes: Set<number>): Promise<Checkpoint[]> {
  // Most receipts come under one checkpoint, and its signatures are checked once.
  const shown = new Map<string, Checkpoint>();
  for (const index of indexes) {
    const { entry, leafBytes, inclusionProof, checkpoint } = await ask<Proven>(`${ledger}/receipts/${index}`);
    const under = shown.get(checkpoint) ?? (await readSignedBy(checkpoint, origin, keys));
    shown.set(checkpoint, under);
    const leaf = leafHash(fromBase64(leafBytes));
    if (entry.index !== index || !isIncluded(leaf, index, under, inclusionProof.map(fromBase64))) {
      throw new Malformed(`entry ${index} is not under the checkpoint`);
    }
  }
  return [...shown.values()];
}

/** The identifiers of verifier keys, by which they can be compared with what `holdfast verify --print-keys` says. */
export function identifiers(keys: string[]): string[] {
  return keys.map((key) => key.split("+")[1] ?? "");
}
