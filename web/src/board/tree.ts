// The Merkle tree of RFC 6962: leaves, roots, and proofs that a leaf stands in it or that it only grew.

import { sha256 } from "@noble/hashes/sha2.js";
import { concat, equal, u8 } from "../bytes.ts";

export function leafHash(leaf: Uint8Array): Uint8Array {
  return sha256(concat(u8(0), leaf));
}

function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  return sha256(concat(u8(1), left, right));
}

/** A tree, as who has signed it knows it. */
export interface Sized {
  size: number;
  root: Uint8Array;
}

/** Takes leaf after leaf, and knows the root after each. */
export class Tree {
  /** Roots of the full subtrees, the largest first, with their sizes. */
  #full: { hash: Uint8Array; size: number }[] = [];
  size = 0;

  add(hash: Uint8Array): void {
    this.#full.push({ hash, size: 1 });
    this.size += 1;
    while (this.#full.length > 1 && this.#full.at(-1)!.size === this.#full.at(-2)!.size) {
      const [right, left] = [this.#full.pop()!, this.#full.pop()!];
      this.#full.push({ hash: nodeHash(left.hash, right.hash), size: left.size * 2 });
    }
  }

  root(): Uint8Array {
    if (this.size === 0) return sha256(new Uint8Array());
    return this.#full.map(({ hash }) => hash).reduceRight((right, left) => nodeHash(left, right));
  }
}

/** The root that an inclusion proof leads to (RFC 9162, section 2.1.3.2), or nothing if its length is wrong. */
export function rootOfInclusion(
  leaf: Uint8Array,
  index: number,
  size: number,
  proof: Uint8Array[],
): Uint8Array | undefined {
  if (index >= size) return undefined;
  let [at, last, hash] = [index, size - 1, leaf];
  for (const sibling of proof) {
    if (last === 0) return undefined;
    if (at % 2 === 1 || at === last) {
      hash = nodeHash(sibling, hash);
      while (at % 2 === 0 && at !== 0) {
        at = Math.floor(at / 2);
        last = Math.floor(last / 2);
      }
    } else {
      hash = nodeHash(hash, sibling);
    }
    at = Math.floor(at / 2);
    last = Math.floor(last / 2);
  }
  return last === 0 ? hash : undefined;
}

export function isIncluded(
  leaf: Uint8Array,
  index: number,
  { size, root }: Sized,
  proof: Uint8Array[],
): boolean {
  const found = rootOfInclusion(leaf, index, size, proof);
  return found !== undefined && equal(found, root);
}

/** Whether a larger tree only grew from a smaller one (RFC 9162, section 2.1.4.2). */
export function isConsistent(smaller: Sized, larger: Sized, proof: Uint8Array[]): boolean {
  if (smaller.size === larger.size) return proof.length === 0 && equal(smaller.root, larger.root);
  if (smaller.size < 1 || smaller.size > larger.size) return false;
  let [at, last] = [smaller.size - 1, larger.size - 1];
  while (at % 2 === 1) [at, last] = [Math.floor(at / 2), Math.floor(last / 2)];
  // A tree that is full is itself the first hash of the path.
  const [first, ...path] = at === 0 ? [smaller.root, ...proof] : proof;
  if (!first) return false;
  let [old, grown] = [first, first];
  for (const sibling of path) {
    if (last === 0) return false;
    if (at % 2 === 1 || at === last) {
      [old, grown] = [nodeHash(sibling, old), nodeHash(sibling, grown)];
      while (at % 2 === 0 && at !== 0) [at, last] = [Math.floor(at / 2), Math.floor(last / 2)];
    } else {
      grown = nodeHash(grown, sibling);
    }
    [at, last] = [Math.floor(at / 2), Math.floor(last / 2)];
  }
  return last === 0 && equal(old, smaller.root) && equal(grown, larger.root);
}
