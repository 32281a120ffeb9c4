// Lots for every case in which a rule asks for them: drawn by what was voted.

import { sha256 } from "@noble/hashes/sha2.js";
import { concat, text, toHex, u32 } from "../../bytes.ts";

export class Lots {
  readonly #places: number[];

  /** `seed` is what all lots of the election follow from, `contest` the contest's place. */
  constructor(candidates: number, contest: number, seed: Uint8Array) {
    const lots = Array.from({ length: candidates }, (_, candidate) => {
      const lot = sha256(concat(text("holdfast/lots/v1\n"), seed, u32(contest), u32(candidate)));
      return { candidate, lot: toHex(lot) };
    });
    lots.sort((one, other) => (one.lot < other.lot ? -1 : 1));
    this.#places = [];
    lots.forEach(({ candidate }, place) => (this.#places[candidate] = place));
  }

  /** Lower is luckier. */
  place(candidate: number): number {
    return this.#places[candidate]!;
  }

  luckiest(candidates: number[]): number {
    return candidates.reduce((one, other) => (this.place(other) < this.place(one) ? other : one));
  }

  unluckiest(candidates: number[]): number {
    return candidates.reduce((one, other) => (this.place(other) > this.place(one) ? other : one));
  }
}
