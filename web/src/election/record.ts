// The published record: everything that a board holds, checked against its checkpoint as it is read.

import { Malformed, equal } from "../bytes.ts";
import { entriesOf } from "../board/entries.ts";
import type { Entry } from "../board/entry.ts";
import type { Checkpoint } from "../board/note.ts";
import { readSignedBy } from "../board/signed.ts";
import { Tree } from "../board/tree.ts";
import { askText } from "../page/api.ts";
import type { Election } from "./model.ts";

export interface Record {
  checkpoint: Checkpoint;
  entries: Entry[];
}

const PAGE = 1000;

/** Where a board is served. */
export function boardOf({ electionId }: Election): string {
  return `/api/v1/public/elections/${electionId}/board`;
}

/** The newest checkpoint of an election's board, which both of its keys signed. */
export async function readSigned(election: Election): Promise<Checkpoint> {
  const board = election.board;
  if (!board) throw new Malformed("this election has no board yet");
  if (!board.origin.endsWith(`/elections/${election.electionId}`)) throw new Malformed("the board is another election’s");
  const note = await askText(`${boardOf(election)}/checkpoint`, { anonymous: true });
  return readSignedBy(note, board.origin, board.keys);
}

/** Reads a whole board. Nothing of it is believed before all leaves add up to the root that the board signed. */
export async function readRecord(election: Election, told: (read: number, size: number) => void): Promise<Record> {
  const checkpoint = await readSigned(election);
  const tree = new Tree();
  const entries: Entry[] = [];
  for await (const some of entriesOf(boardOf(election), tree, checkpoint.size, PAGE)) {
    entries.push(...some);
    told(tree.size, checkpoint.size);
  }
  if (!equal(tree.root(), checkpoint.root)) throw new Malformed("the board’s entries do not add up to what it signed");
  return { checkpoint, entries };
}
