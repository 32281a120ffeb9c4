// What the server gives for a vote: a place on the board, and a signature that it is held to.

import { Malformed, fromBase64 } from "../bytes.ts";
import { readKey } from "../board/note.ts";
import { isSigned } from "../signature.ts";
import { receivedBytes } from "./bindings.ts";
import type { Election } from "./model.ts";

export interface Receipt {
  tracker: string;
  status: string;
  index: number;
  /** Of the entry, in base64. */
  leafHash: string;
  receivedAt: string;
  /** By the key that signs the board, in base64. */
  signature: string;
}

const HASH_BYTES = 32;

/** Refuses a receipt that the board's own key did not sign: nobody could be held to it. */
export function checkReceipt(electionId: string, board: NonNullable<Election["board"]>, receipt: Receipt): void {
  const keys = board.keys.map(readKey).filter((key) => key?.kind === "ed25519" && key.name === board.origin);
  const { index, leafHash, signature } = receipt;
  const known = Number.isSafeInteger(index) && index >= 0 && typeof leafHash === "string" && typeof signature === "string";
  const leaf = known ? fromBase64(leafHash) : new Uint8Array();
  if (leaf.length !== HASH_BYTES) throw new Malformed("the server’s receipt is not one");
  const said = receivedBytes(electionId, index, leaf);
  if (!keys.some((key) => isSigned(said, fromBase64(signature), key!.key))) {
    throw new Malformed("the server’s receipt is not signed by the board’s key");
  }
}

/** What a voter saves: enough for anybody to see whether the board keeps what the server promised. */
export function receiptText(title: string, receipt: Receipt, address: string): string {
  const lines = [
    title,
    `Tracking code: ${receipt.tracker}`,
    `Place on the board: ${receipt.index}`,
    `Leaf hash: ${receipt.leafHash}`,
    `Received: ${receipt.receivedAt}`,
    `Signed by the board: ${receipt.signature}`,
    address,
  ];
  return `${lines.join("\n")}\n`;
}
