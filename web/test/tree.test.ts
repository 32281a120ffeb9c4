// Proofs of boards' trees, of every shape up to a size.

import assert from "node:assert/strict";
import { test } from "node:test";
import { newestOfOne } from "../src/board/growth.ts";
import { isConsistent, isIncluded, leafHash } from "../src/board/tree.ts";
import { u32 } from "../src/bytes.ts";
import { consistencyProof, encoded, inclusionProof, rootOf } from "./merkle.ts";

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

test("what was shown of a board at different times is one board, or is refused", async () => {
  Object.assign(globalThis, { sessionStorage: { getItem: () => null } });
  globalThis.fetch = (async (path: string) => {
    const { searchParams } = new URL(path, "http://localhost");
    const [from, to] = ["from", "to"].map((name) => Number(searchParams.get(name))) as [number, number];
    return Response.json({ consistencyProof: encoded(consistencyProof(from, leaves.slice(0, to))) });
  }) as unknown as typeof fetch;
  assert.equal((await newestOfOne("", [sized(9), sized(4), sized(9)])).size, 9);
  const other = { size: 6, root: leafHash(u32(99)) };
  for (const states of [[sized(9), other], [sized(4), other], [other, sized(6)], []]) {
    await assert.rejects(newestOfOne("", states), /not what was signed|nothing is shown/);
  }
});
