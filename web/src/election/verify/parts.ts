// The trustees' parts of the decryption: whose hold, whose do not, and whom a count names.

import { Malformed } from "../../bytes.ts";
import { type PartialDecryption, decodePartial, holds } from "../../mixnet/decryption.ts";
import { decryptionContext } from "../bindings.ts";
import type { Blobs } from "./blobs.ts";
import type { SecretlyDecided } from "./decided.ts";
import type { Body } from "./event.ts";
import { pause } from "./found.ts";
import type { List } from "./mixes.ts";

export class Parts {
  readonly #decided: SecretlyDecided;
  readonly #blobs: Blobs;
  readonly #lists: Map<number, List>;
  /** Those that hold, by trustee and list. */
  readonly #parts = new Map<number, Map<number, PartialDecryption>>();
  /** Trustees in whose names something was sent that is no part. */
  readonly #lied = new Set<number>();

  constructor(decided: SecretlyDecided, blobs: Blobs, lists: List[]) {
    this.#decided = decided;
    this.#blobs = blobs;
    this.#lists = new Map(lists.map((list) => [list.number, list]));
  }

  async decrypted({ trustee, partials }: Body<"election/decrypted">): Promise<void> {
    if (this.#parts.has(trustee)) throw new Malformed(`trustee ${trustee} decrypted twice`);
    const own = new Map<number, PartialDecryption>();
    for (const { list, blob } of partials) {
      const part = this.#read(trustee, list, await this.#blobs.of(blob));
      if (!part) throw new Malformed(`what trustee ${trustee} decrypted of list ${list} does not hold`);
      own.set(list, part);
      await pause();
    }
    if (own.size !== this.#lists.size || partials.length !== own.size) {
      throw new Malformed(`the parts of trustee ${trustee} are not one of every list`);
    }
    this.#parts.set(trustee, own);
  }

  async lied({ trustee, partial: { list, blob } }: Body<"election/lied">): Promise<void> {
    if (!this.#decided.keys.trustees[trustee - 1] || !this.#lists.has(list)) {
      throw new Malformed("somebody is said to have lied of whom or of what nothing was asked");
    }
    // What nobody can look at is no proof of a lie.
    if (this.#read(trustee, list, await this.#blobs.of(blob))) {
      throw new Malformed(`trustee ${trustee} is said to have lied, and has not`);
    }
    if (this.#lied.has(trustee)) throw new Malformed(`trustee ${trustee} is said to have lied twice`);
    this.#lied.add(trustee);
  }

  /** A trustee's part of a list, if these bytes are one that holds. */
  #read(trustee: number, number: number, bytes: Uint8Array): PartialDecryption | undefined {
    const list = this.#lists.get(number);
    if (!list) return undefined;
    const { keys, electionHash } = this.#decided;
    try {
      const part = decodePartial(bytes);
      const context = decryptionContext(electionHash, number);
      return part.trustee === trustee && holds(keys, context, list.rows, part) ? part : undefined;
    } catch (error) {
      if (error instanceof Malformed) return undefined;
      throw error;
    }
  }

  /** The parts of a list that a count used: enough of them, each another trustee's, and each of them there. */
  used(list: number, decryptedBy: number[]): PartialDecryption[] {
    return decryptedBy.map((trustee) => {
      const part = this.#parts.get(trustee)?.get(list);
      if (!part) throw new Malformed(`trustee ${trustee} is said to have decrypted, and has not`);
      return part;
    });
  }

  /** Refuses a count that does not name rightly whose parts it used, who lied and of whom nothing came. */
  checkNamed({ decryptedBy, lied, absent }: Body<"election/counted">): void {
    const { trustees, threshold } = this.#decided.keys;
    if ([decryptedBy, lied, absent].some((named) => new Set(named).size !== named.length)) {
      throw new Malformed("the count names a trustee twice");
    }
    if (this.#lists.size > 0 && decryptedBy.length < threshold) {
      throw new Malformed("fewer trustees decrypted than it takes");
    }
    const stranger = decryptedBy.find((trustee) => !this.#parts.has(trustee));
    if (stranger !== undefined) throw new Malformed(`trustee ${stranger} is said to have decrypted, and has not`);
    const silent = trustees.map((_, at) => at + 1).filter((trustee) => !this.#parts.has(trustee));
    const liars = silent.filter((trustee) => this.#lied.has(trustee));
    const missing = silent.filter((trustee) => !this.#lied.has(trustee));
    if (!sameOnes(lied, liars) || !sameOnes(absent, missing)) {
      throw new Malformed("the count names others as having lied, or been absent, than the board shows");
    }
  }
}

function sameOnes(named: number[], ascending: number[]): boolean {
  const sorted = [...named].sort((one, other) => one - other);
  return sorted.length === ascending.length && sorted.every((trustee, at) => trustee === ascending[at]);
}
