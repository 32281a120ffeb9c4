// The published record: everything that a board holds, checked against its checkpoint as it is read.

import { Malformed, equal, fromBase64 } from "../bytes.ts";
import { type Entry, readEntry } from "../board/entry.ts";
import { type Checkpoint, readCheckpoint, readKey } from "../board/note.ts";
import { Tree } from "../board/tree.ts";
import { ask, askText } from "../page/api.ts";
import type { Election } from "./model.ts";

export interface Record {
  checkpoint: Checkpoint;
  entries: Entry[];
}

const PAGE = 1000;

/** Reads a whole board. Nothing of it is believed before all leaves add up to the root that the board signed. */
export async function readRecord(election: Election, told: (read: number, size: number) => void): Promise<Record> {
  const board = election.board;
  if (!board) throw new Malformed("this election has no board yet");
  const base = `/api/v1/public/elections/${election.electionId}/board`;
  const keys = board.keys.map(readKey).filter((key) => key !== undefined);
  const note = await askText(`${base}/checkpoint`, { anonymous: true });
  const checkpoint = readCheckpoint(note, board.origin, keys);
  const { checkCosigned } = await import("../board/cosignature.ts");
  checkCosigned(note, checkpoint, keys);
  const tree = new Tree();
  const entries: Entry[] = [];
  while (tree.size < checkpoint.size) {
    const limit = Math.min(PAGE, checkpoint.size - tree.size);
    const page = await ask<{ entries: { leafBytes: string }[] }>(`${base}/entries?from=${tree.size}&limit=${limit}`, {
      anonymous: true,
    });
    if (page.entries.length === 0) throw new Malformed(`the board does not show its entry ${tree.size}`);
    for (const { leafBytes } of page.entries.slice(0, limit)) {
      const entry = readEntry(fromBase64(leafBytes));
      if (entry.index !== tree.size) throw new Malformed(`entry ${tree.size} says that it is ${entry.index}`);
      tree.add(entry.hash);
      entries.push(entry);
    }
    told(tree.size, checkpoint.size);
  }
  if (!equal(tree.root(), checkpoint.root)) throw new Malformed("the board’s entries do not add up to what it signed");
  return { checkpoint, entries };
}
