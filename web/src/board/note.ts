// Checkpoints: signed notes (C2SP signed-note, tlog-checkpoint). Ed25519 is checked here; ML-DSA-44 stands beside it.

import { sha256 } from "@noble/hashes/sha2.js";
import { Malformed, concat, equal, fromBase64, text } from "../bytes.ts";
import { isSigned } from "../signature.ts";

const ED25519 = 1;

/** Who signs: a name, the first bytes of a hash, and the key. */
export interface VerifierKey {
  name: string;
  hash: string;
  key: Uint8Array;
}

/** Reads `name+hash+base64(kind || key)`; nothing if the key is of another kind than Ed25519. */
export function readKey(encoded: string): VerifierKey | undefined {
  const match = /^([^+\s]+)\+([0-9a-f]{8})\+(.+)$/.exec(encoded);
  if (!match) throw new Malformed("not a verifier key");
  const [, name, hash, rest] = match as unknown as [string, string, string, string];
  const bytes = fromBase64(rest);
  if (bytes[0] !== ED25519) return undefined;
  const found = sha256(concat(text(name), text("\n"), bytes)).slice(0, 4);
  const said = Uint8Array.from([0, 2, 4, 6], (at) => parseInt(hash.slice(at, at + 2), 16));
  if (bytes.length !== 33 || !equal(found, said)) throw new Malformed("a verifier key that is not what it says");
  return { name, hash, key: bytes.slice(1) };
}

export interface Checkpoint {
  origin: string;
  size: number;
  root: Uint8Array;
}

/** What a note says, if one of these keys signed it. */
export function readCheckpoint(note: string, origin: string, keys: VerifierKey[]): Checkpoint {
  const split = note.lastIndexOf("\n\n");
  if (split < 0) throw new Malformed("not a signed note");
  const said = note.slice(0, split + 1);
  const lines = note.slice(split + 2).trimEnd().split("\n");
  const signed = lines.some((line) => {
    const match = /^— (\S+) (\S+)$/.exec(line);
    if (!match) return false;
    const bytes = fromBase64(match[2]!);
    const hash = Array.from(bytes.slice(0, 4), (byte) => byte.toString(16).padStart(2, "0")).join("");
    const key = keys.find((key) => key.name === match[1] && key.hash === hash);
    return key !== undefined && bytes.length === 68 && isSigned(text(said), bytes.slice(4), key.key);
  });
  if (!signed) throw new Malformed("none of the board's keys signed this checkpoint");
  const [name, size, root] = said.split("\n");
  if (name !== origin || !/^(0|[1-9]\d*)$/.test(size ?? "")) throw new Malformed("a checkpoint of another board");
  const checkpoint = { origin, size: Number(size), root: fromBase64(root ?? "") };
  if (!Number.isSafeInteger(checkpoint.size) || checkpoint.root.length !== 32) throw new Malformed("not a checkpoint");
  return checkpoint;
}
