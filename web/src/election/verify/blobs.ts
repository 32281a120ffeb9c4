// What entries name by its hash and a server serves beside its board.

import { sha256 } from "@noble/hashes/sha2.js";
import { Malformed, toHex } from "../../bytes.ts";
import { askBytes } from "../../page/api.ts";

/** Nothing that is longer is read, here or elsewhere. */
const BLOB_BYTES_MAX = 2 ** 30;

export class Blobs {
  readonly #electionId: string;
  readonly #known = new Map<string, Uint8Array>();

  constructor(electionId: string) {
    this.#electionId = electionId;
  }

  /** The bytes of this hash. */
  async of(hash: string): Promise<Uint8Array> {
    const known = this.#known.get(hash);
    if (known) return known;
    const path = `/api/v1/public/elections/${this.#electionId}/blobs/${hash}`;
    const bytes = await askBytes(path, { anonymous: true });
    if (bytes.length > BLOB_BYTES_MAX) throw new Malformed(`the bytes of ${hash.slice(0, 16)}… are more than may be`);
    if (toHex(sha256(bytes)) !== hash) {
      throw new Malformed(`the bytes of ${hash.slice(0, 16)}… are others than the board names`);
    }
    this.#known.set(hash, bytes);
    return bytes;
  }
}
