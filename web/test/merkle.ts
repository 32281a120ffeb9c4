// Proofs as boards give them, made the way that RFC 6962 defines them, for tests of who checks them.

import { sha256 } from "@noble/hashes/sha2.js";
import { Tree } from "../src/board/tree.ts";
import { concat, text, toBase64, u32, u64 } from "../src/bytes.ts";

export function rootOf(leaves: Uint8Array[]): Uint8Array {
  const tree = new Tree();
  leaves.forEach((leaf) => tree.add(leaf));
  return tree.root();
}

/** The largest power of two below a size. */
function split(size: number): number {
  return 2 ** Math.floor(Math.log2(size - 1));
}

/** The path from a leaf to the root (section 2.1.1). */
export function inclusionProof(index: number, leaves: Uint8Array[]): Uint8Array[] {
  if (leaves.length === 1) return [];
  const middle = split(leaves.length);
  const [left, right] = [leaves.slice(0, middle), leaves.slice(middle)];
  return index < middle ? [...inclusionProof(index, left), rootOf(right)] : [...inclusionProof(index - middle, right), rootOf(left)];
}

/** That a tree grew from its first leaves (section 2.1.2). */
export function consistencyProof(first: number, leaves: Uint8Array[], whole = true): Uint8Array[] {
  if (first === leaves.length) return whole ? [] : [rootOf(leaves)];
  const middle = split(leaves.length);
  const [left, right] = [leaves.slice(0, middle), leaves.slice(middle)];
  return first <= middle
    ? [...consistencyProof(first, left, whole), rootOf(right)]
    : [...consistencyProof(first - middle, right, false), rootOf(left)];
}

/** The bytes of an entry, as a leaf covers them. */
export function leafBytes(index: number, command: string, body: object): Uint8Array {
  const parts = [text(command), text("service/elections"), new Uint8Array(), new Uint8Array(16), text(JSON.stringify(body)), sha256(text(""))];
  const each = parts.map((part) => concat(u32(part.length), part));
  return concat(text("holdfast/entry/v1\n"), u64(index), u64(60_000), ...each);
}

export const encoded = (hashes: Uint8Array[]): string[] => hashes.map(toBase64);
