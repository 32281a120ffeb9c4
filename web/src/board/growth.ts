// Whether what was shown of a board at different times is one board: a server could sign another for every reader.

import { Malformed, fromBase64 } from "../bytes.ts";
import { ask } from "../page/api.ts";
import { type Sized, isConsistent } from "./tree.ts";

/** Asks the server to prove that a board grew from one state to the other, and refuses it if it did not. */
export async function checkGrown(board: string, smaller: Sized, larger: Sized): Promise<void> {
  let proof: string[] = [];
  if (smaller.size < larger.size) {
    const path = `${board}/consistency?from=${smaller.size}&to=${larger.size}`;
    proof = (await ask<{ consistencyProof: string[] }>(path, { anonymous: true })).consistencyProof;
  }
  if (!isConsistent(smaller, larger, proof.map(fromBase64))) {
    throw new Malformed("what the server shows is not what was signed");
  }
}

/** Refuses states that are not all of one board; gives the newest. */
export async function newestOfOne<S extends Sized>(board: string, states: S[]): Promise<S> {
  const sorted = [...states].sort((one, other) => one.size - other.size);
  const newest = sorted.at(-1);
  if (!newest) throw new Malformed("nothing is shown of the board");
  for (const [at, state] of sorted.slice(0, -1).entries()) await checkGrown(board, state, sorted[at + 1]!);
  return newest;
}
