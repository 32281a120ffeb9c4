// The second signature under a checkpoint, which outlives Ed25519: ML-DSA-44 (C2SP tlog-cosignature, type 6). A file of
// its own, since pages that need it load its code only then.

import { ml_dsa44 } from "@noble/post-quantum/ml-dsa.js";
import { Malformed, concat, text, u64, u8 } from "../bytes.ts";
import { type Checkpoint, type Signature, type VerifierKey, checkSigned, readNote } from "./note.ts";

const TIME_BYTES = 8;
const SIGNATURE_BYTES = 2420;

/** Refuses a checkpoint that no ML-DSA-44 key of the board's own name cosigned. */
export function checkCosigned(note: string, checkpoint: Checkpoint, keys: VerifierKey[]): void {
  const { signatures } = readNote(note);
  checkSigned(signatures, checkpoint.origin, keys, "ml-dsa-44", (signature, key) => isCosigned(checkpoint, signature, key));
}

function isCosigned(checkpoint: Checkpoint, { bytes }: Signature, { name, key }: VerifierKey): boolean {
  const [time, signature] = [bytes.slice(0, TIME_BYTES), bytes.slice(TIME_BYTES)];
  // Seconds are below 2^63.
  if (signature.length !== SIGNATURE_BYTES || time[0]! >= 0x80) return false;
  return ml_dsa44.verify(signature, cosigned(name, time, checkpoint), key);
}

/** What is signed of a whole tree: a subtree that begins with leaf 0. */
function cosigned(name: string, time: Uint8Array, { origin, size, root }: Checkpoint): Uint8Array {
  return concat(text("subtree/v1\n\0"), short(name), time, short(origin), u64(0), u64(size), root);
}

function short(value: string): Uint8Array {
  const bytes = text(value);
  if (bytes.length > 0xff) throw new Malformed("a name that is too long");
  return concat(u8(bytes.length), bytes);
}
