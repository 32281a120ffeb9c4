// Reads a board's entries from the server, in their order. Nothing of them is believed before the tree that they add up to
// is the one that the board signed.

import { Malformed, fromBase64 } from "../bytes.ts";
import { ask } from "../page/api.ts";
import { type Entry, readEntry } from "./entry.ts";
import type { Tree } from "./tree.ts";

/** Goes on behind what the tree holds, up to this size, some entries at a time. */
export async function* entriesOf(board: string, tree: Tree, size: number, atOnce: number): AsyncGenerator<Entry[]> {
  while (tree.size < size) {
    const limit = Math.min(atOnce, size - tree.size);
    const path = `${board}/entries?from=${tree.size}&limit=${limit}`;
    const page = await ask<{ entries: { leafBytes: string }[] }>(path, { anonymous: true });
    if (page.entries.length === 0) throw new Malformed(`the board does not show its entry ${tree.size}`);
    const entries = page.entries.slice(0, limit).map(({ leafBytes }) => readEntry(fromBase64(leafBytes)));
    for (const entry of entries) {
      if (entry.index !== tree.size) throw new Malformed(`entry ${tree.size} says that it is ${entry.index}`);
      tree.add(entry.hash);
    }
    yield entries;
  }
}
