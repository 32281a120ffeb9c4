// Mixes, list by list: what goes from mixer to mixer, and then to the trustees.

import { sha256 } from "@noble/hashes/sha2.js";
import { Malformed, fromBase64, toHex } from "../../bytes.ts";
import { decodeBallot } from "../../mixnet/ballot.ts";
import { type Rows, decodeRows, rowsOf } from "../../mixnet/decryption.ts";
import { decodeShuffleProof, isShuffle } from "../../mixnet/shuffle.ts";
import { generatorsLabel, listOf, mixContext } from "../bindings.ts";
import type { Blobs } from "./blobs.ts";
import type { SecretlyDecided } from "./decided.ts";
import type { Body } from "./event.ts";
import type { SecretVote } from "./secret-votes.ts";

/** A list that is mixed and decrypted: the rows of one contest and one weight. */
export interface List {
  number: number;
  contest: number;
  weight: number;
  /** The last mixer's output, or what goes into the first while nobody has mixed. */
  rows: Rows;
  /** How many have mixed it. */
  mixed: number;
}

export class Mixes {
  readonly #decided: SecretlyDecided;
  readonly #blobs: Blobs;
  readonly #lists: Map<number, List>;

  /** Begins with the votes that count, in the order of the board. */
  constructor(decided: SecretlyDecided, blobs: Blobs, votes: SecretVote[]) {
    this.#decided = decided;
    this.#blobs = blobs;
    this.#lists = new Map(listsOf(decided, votes).map((list) => [list.number, list]));
  }

  /** Every list that has votes. */
  get lists(): List[] {
    return [...this.#lists.values()];
  }

  get mixed(): number {
    return this.lists.reduce((sum, list) => sum + list.mixed, 0);
  }

  async mix(said: Body<"election/mixed">): Promise<void> {
    const { manifest, electionHash, keys } = this.#decided;
    const list = this.#lists.get(said.list);
    if (!list) throw new Malformed("a list is mixed that has no votes");
    if (said.mixer !== list.mixed + 1 || said.mixer > manifest.mixers) {
      throw new Malformed("the mixers did not come one after the other");
    }
    const output = decodeRows(await this.#blobs.of(said.output));
    const proof = decodeShuffleProof(await this.#blobs.of(said.proof));
    const count = list.rows.rows.length;
    if (said.rows !== count || output.rows.length !== count) {
      throw new Malformed("a mixer put out another number of votes than went in");
    }
    const context = mixContext(electionHash, said.list, said.mixer);
    const statement = { context, key: keys.key, label: generatorsLabel(electionHash) };
    if (!isShuffle(statement, list.rows, output, proof)) {
      throw new Malformed(`the proof of mixer ${said.mixer} for list ${said.list} does not hold`);
    }
    [list.rows, list.mixed] = [output, said.mixer];
  }

  /** All is mixed, and these are the lists as the last mixer left them. */
  finish({ lists }: Body<"election/decrypting">): void {
    const numbers = new Set(lists.map(({ list }) => list));
    if (numbers.size !== lists.length) throw new Malformed("a list is to be decrypted twice");
    const { mixers } = this.#decided.manifest;
    if (lists.length !== this.#lists.size || this.lists.some(({ mixed }) => mixed !== mixers)) {
      throw new Malformed("not every list was mixed as often as it must be");
    }
    for (const { list, rows, blob } of lists) {
      const own = this.#lists.get(list)?.rows;
      if (!own || own.rows.length !== rows || toHex(sha256(own.encoded)) !== blob) {
        throw new Malformed(`list ${list} is not what the last mixer put out`);
      }
    }
  }
}

/** The rows of the votes by contest and weight. Lists without votes are left out. */
function listsOf({ manifest, weights }: SecretlyDecided, votes: SecretVote[]): List[] {
  return weights.flatMap((weight) => {
    const own = votes.filter((vote) => vote.weight === weight);
    if (own.length === 0) return [];
    return manifest.contests.map((_, contest) => {
      const rows = rowsOf(own.map(({ ballots }) => decodeBallot(fromBase64(ballots[contest]!)).row));
      return { number: listOf(weights, weight, manifest.contests.length, contest), contest, weight, rows, mixed: 0 };
    });
  });
}
