// A trustee's part of the decryption: of lists that the whole record shows to have been mixed, and of no others.

import { sha256 } from "@noble/hashes/sha2.js";
import { type Sized, Tree } from "../../board/tree.ts";
import { Malformed, toHex } from "../../bytes.ts";
import { decodeRows, decrypt } from "../../mixnet/decryption.ts";
import { ask } from "../../page/api.ts";
import { decryptionContext } from "../bindings.ts";
import type { Election } from "../model.ts";
import { type Record, boardOf, readRecord } from "../record.ts";
import type { SecretlyDecided } from "../verify/decided.ts";
import type { List } from "../verify/mixes.ts";
import { checkElection } from "../verify/walk.ts";
import { type Own, ownShare, refuseOtherBoard } from "./confirm.ts";
import { Safe } from "./safe.ts";

export interface Decryption {
  state: string;
  you: number | null;
  threshold: number;
  lists: { list: number; rows: number; width: number; context: string; blob: string }[];
  decrypted: number[];
  lied: number[];
  checking: number[];
}

/** Whether something was decrypted in this trustee’s name, and not by whoever had what this device keeps. */
export function isSpokenFor({ you, decrypted, checking }: Decryption, safe: Safe): boolean {
  return you !== null && [...decrypted, ...checking].includes(you) && !safe.hasDecrypted();
}

type Told = (what: string) => Promise<void>;

/** Lists of fewer answers than this say of somebody how they voted, to whoever knows that they voted with that weight. */
const ROWS_FEW = 3;

/** What the record says is to be decrypted. */
export interface ToDecrypt {
  electionId: string;
  decided: SecretlyDecided;
  lists: List[];
  /** The board up to where it says so: the same for every trustee, whenever they look. */
  board: Sized;
}

/** Checks the whole record. Decrypts nothing yet. */
export async function checkRecord(election: Election, told: Told): Promise<ToDecrypt> {
  const { board, electionId } = election;
  if (!board) throw new Malformed("this election has no board yet");
  const safe = Safe.of(electionId);
  // The keys from the time of the ceremony: others would sign whatever this trustee is to believe now.
  const keys = safe.boardKeys(board.keys);
  const record = await readRecord({ ...election, board: { ...board, keys } }, () => {});
  const { decided, lists, stage } = await checkElection(election, record, ({ what }) => told(`Checked: ${what.toLowerCase()}`));
  await refuseOtherBoard(safe, boardOf(election), record.checkpoint);
  safe.saw(record.checkpoint);
  // A trustee who decrypts whatever they are shown decrypts single ballots: only what was mixed is decrypted, once the
  // board says for all to see that this is what is decrypted.
  if (!decided?.keys || stage !== "decrypting") throw new Malformed("the board does not say that anything is to be decrypted");
  ownShare(safe, decided);
  return { electionId, decided, lists, board: upToDecrypting(record) };
}

function upToDecrypting({ entries }: Record): Sized {
  const tree = new Tree();
  for (const entry of entries) {
    tree.add(entry.hash);
    if (entry.command === "election/decrypting") break;
  }
  return { size: tree.size, root: tree.root() };
}

/** Lists that a trustee has to agree to one by one. */
export function fewIn(lists: List[]): List[] {
  return lists.filter(({ rows }) => rows.rows.length < ROWS_FEW);
}

/** Decrypts this trustee's part of what was checked, and hands it in. Of lists with few answers only those agreed to. */
export async function decryptAll({ electionId, decided, lists }: ToDecrypt, agreed: Set<number>, told: Told): Promise<void> {
  const refused = fewIn(lists).find(({ number }) => !agreed.has(number));
  if (refused) throw new Malformed(`you did not agree that list ${refused.number + 1} is decrypted, which has so few answers`);
  const safe = Safe.of(electionId);
  const own = ownShare(safe, decided);
  safe.decrypting(Object.fromEntries(lists.map(({ number, rows }) => [number, toHex(sha256(rows.encoded))])));
  const partials = [];
  for (const list of lists) {
    partials.push(await decryptOne(electionId, decided, list, own));
    await told(`Decrypted list ${list.number + 1}`);
  }
  await ask(`/api/v1/elections/${electionId}/decryption`, { method: "POST", body: { partials } });
}

async function decryptOne(
  electionId: string,
  { keys, electionHash }: SecretlyDecided,
  { number, rows }: List,
  { trustee, share }: Own,
): Promise<{ list: number; blob: string }> {
  const context = decryptionContext(electionHash, number);
  const bytes = decrypt(keys, context, decodeRows(rows.encoded), trustee, share);
  const blob = toHex(sha256(bytes));
  await upload(electionId, blob, bytes);
  return { list: number, blob };
}

const PART_BYTES = 524_288;

async function upload(electionId: string, blob: string, bytes: Uint8Array): Promise<void> {
  for (let part = 0; part * PART_BYTES < bytes.length; part += 1) {
    const some = bytes.slice(part * PART_BYTES, (part + 1) * PART_BYTES);
    await ask(`/api/v1/elections/${electionId}/blobs/${blob}/parts/${part}`, { method: "PUT", bytes: some });
  }
}
