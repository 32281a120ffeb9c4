// Proofs of boards' trees, of every shape up to a size.

import assert from "node:assert/strict";
import { test } from "node:test";
import { isConsistent, isIncluded, leafHash } from "../src/board/tree.ts";
import { u32 } from "../src/bytes.ts";
import { consistencyProof, inclusionProof, rootOf } from "./merkle.ts";

const SIZE_MAX = 20;
const leaves = Array.from({ length: SIZE_MAX }, (_, at) => leafHash(u32(at)));
const sized = (size: number) => ({ size, root: rootOf(leaves.slice(0, size)) });

test("a tree that only grew is proven to, and no other", () => {
  for (let size = 1; size <= SIZE_MAX; size += 1) {
    for (let first = 1; first <= size; first += 1) {
      const proof = consistencyProof(first, leaves.slice(0, size));
      assert.ok(isConsistent(sized(first), sized(size), proof), `${first} to ${size}`);
      const other = { size: first, root: leafHash(u32(99)) };
      assert.ok(!isConsistent(other, sized(size), proof), `another tree of ${first} to ${size}`);
      assert.ok(!isConsistent(sized(first), { size, root: other.root }, proof), `${first} to another of ${size}`);
      assert.ok(!isConsistent(sized(first), sized(size), [...proof, leaves[0]!]), `${first} to ${size} with more`);
      if (proof.length > 0) assert.ok(!isConsistent(sized(first), sized(size), proof.slice(1)), `${first} to ${size} with less`);
    }
  }
});

test("a tree does not shrink, and does not come from nothing", () => {
  assert.ok(!isConsistent(sized(5), sized(4), []));
  assert.ok(!isConsistent({ size: 0, root: sized(1).root }, sized(1), []));
});

test("a leaf is in its place and in no other", () => {
  for (let size = 1; size <= SIZE_MAX; size += 1) {
    for (let index = 0; index < size; index += 1) {
      const proof = inclusionProof(index, leaves.slice(0, size));
      assert.ok(isIncluded(leaves[index]!, index, sized(size), proof));
      if (size > 1) assert.ok(!isIncluded(leaves[index]!, (index + 1) % size, sized(size), proof));
    }
  }
});
