// Checkpoints: signed notes (C2SP signed-note, tlog-checkpoint). Of their signatures Ed25519 is checked here; ML-DSA-44,
// which takes more code, where it is asked for (cosignature.ts).

import { sha256 } from "@noble/hashes/sha2.js";
import { Malformed, concat, fromBase64, text, toBase64, toHex } from "../bytes.ts";
import { isSigned } from "../signature.ts";

const SIGNATURES_MAX = 16;
const ID_BYTES = 4;

/** The kinds of keys that sign checkpoints, by their bytes in a verifier key, and how long each is. */
const KINDS = {
  1: { kind: "ed25519", bytes: 32 },
  6: { kind: "ml-dsa-44", bytes: 1312 },
} as const;

/** Who signs: a name, the first bytes of a hash, and the key. */
export interface VerifierKey {
  name: string;
  hash: string;
  kind: "ed25519" | "ml-dsa-44";
  key: Uint8Array;
}

/** Reads `name+hash+base64(kind || key)`; nothing if the key is of a kind that boards do not sign with. */
export function readKey(encoded: string): VerifierKey | undefined {
  const match = /^([^+\s]+)\+([0-9a-f]{8})\+(.+)$/.exec(encoded);
  if (!match) throw new Malformed("not a verifier key");
  const [, name, hash, rest] = match as unknown as [string, string, string, string];
  const bytes = fromBase64(rest);
  const known = KINDS[bytes[0] as keyof typeof KINDS];
  if (!known) return undefined;
  const found = toHex(sha256(concat(text(name), text("\n"), bytes)).slice(0, ID_BYTES));
  if (bytes.length !== 1 + known.bytes || found !== hash) throw new Malformed("a verifier key that is not what it says");
  return { name, hash, kind: known.kind, key: bytes.slice(1) };
}

/** One signature line: who says to have signed, and what follows the key's hash. */
export interface Signature {
  name: string;
  hash: string;
  bytes: Uint8Array;
}

/** A text and who says to have signed it. */
export interface Note {
  said: string;
  signatures: Signature[];
}

/** Takes a note apart; it says nothing before somebody whom one knows has signed it. */
export function readNote(note: string): Note {
  const split = note.lastIndexOf("\n\n");
  if (split < 0 || !note.endsWith("\n")) throw new Malformed("not a signed note");
  const lines = note.slice(split + 2, -1).split("\n");
  if (lines.length > SIGNATURES_MAX) throw new Malformed("a note with too many signatures");
  return { said: note.slice(0, split + 1), signatures: lines.map(readSignature) };
}

function readSignature(line: string): Signature {
  const match = /^— (\S+) (\S+)$/.exec(line);
  const bytes = fromBase64(match?.[2] ?? "");
  if (!match || bytes.length <= ID_BYTES || toBase64(bytes) !== match[2]) throw new Malformed("not a signed note");
  return { name: match[1]!, hash: toHex(bytes.slice(0, ID_BYTES)), bytes: bytes.slice(ID_BYTES) };
}

export interface Checkpoint {
  origin: string;
  size: number;
  root: Uint8Array;
}

/** What a note says, if a board's own Ed25519 key signed it. */
export function readCheckpoint(note: string, origin: string, keys: VerifierKey[]): Checkpoint {
  const { said, signatures } = readNote(note);
  checkSigned(signatures, origin, keys, "ed25519", ({ bytes }, { key }) => isSigned(text(said), bytes, key));
  const [name, size, root] = said.split("\n");
  if (name !== origin || !/^(0|[1-9]\d*)$/.test(size ?? "")) throw new Malformed("a checkpoint of another origin");
  const checkpoint = { origin, size: Number(size), root: fromBase64(root ?? "") };
  if (!Number.isSafeInteger(checkpoint.size) || checkpoint.root.length !== 32) throw new Malformed("not a checkpoint");
  return checkpoint;
}

/** Refuses what no key of this kind and the board's own name signed, or one of them signed in a way that does not hold. */
export function checkSigned(
  signatures: Signature[],
  origin: string,
  keys: VerifierKey[],
  kind: VerifierKey["kind"],
  holds: (signature: Signature, key: VerifierKey) => boolean,
): void {
  const own = keys.filter((key) => key.kind === kind && key.name === origin);
  const signed = signatures.flatMap((signature) => {
    const key = own.find(({ name, hash }) => name === signature.name && hash === signature.hash);
    return key ? [holds(signature, key)] : [];
  });
  const what = kind === "ed25519" ? "Ed25519" : "ML-DSA-44";
  if (signed.length === 0) throw new Malformed(`none of its keys signed this checkpoint with ${what}`);
  if (signed.includes(false)) throw new Malformed(`the checkpoint’s signature with ${what} does not hold`);
}
