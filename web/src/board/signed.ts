// A checkpoint that both keys of its log signed: Ed25519, and ML-DSA-44, which outlives it.

import { type Checkpoint, readCheckpoint, readKey } from "./note.ts";

/** What a note says, if it is of this origin and signed with both kinds of its keys. */
export async function readSignedBy(note: string, origin: string, keys: string[]): Promise<Checkpoint> {
  const known = keys.map(readKey).filter((key) => key !== undefined);
  const checkpoint = readCheckpoint(note, origin, known);
  const { checkCosigned } = await import("./cosignature.ts");
  checkCosigned(note, checkpoint, known);
  return checkpoint;
}
