// What was decided before the first vote: the ceremonies, and the definition that the last of them ends with.

import { Malformed, toHex } from "../../bytes.ts";
import { type TrusteeKeys, encodeKeys } from "../../mixnet/trustees.ts";
import type { Election } from "../model.ts";
import { Attempt } from "./ceremony.ts";
import type { Event } from "./event.ts";
import { type Manifest, readManifest } from "./manifest.ts";

/** What everything that follows is bound to. */
export interface Decided {
  manifest: Manifest;
  electionHash: Uint8Array;
  keys: TrusteeKeys;
  /** In the order of the issuers. */
  weights: number[];
}

/** What may stand on a board before the first vote, as it comes. */
export class Deciding {
  readonly #election: Election;
  #attempts = 0;
  #attempt: Attempt | undefined;

  constructor(election: Election) {
    this.#election = election;
  }

  /** Takes the next entry; gives what was decided, once it is. */
  take(event: Event): Decided | undefined {
    const attempt = this.#attempt;
    if (event.command === "election/ceremony" && !attempt) {
      this.#begin(event.body);
    } else if (event.command === "election/said" && attempt) {
      attempt.hear(event.body);
    } else if (event.command === "election/void" && attempt && event.body.attempt === this.#attempts) {
      this.#attempt = undefined;
    } else if (event.command === "election/defined") {
      return this.#decide(event.body.manifest);
    } else {
      throw new Malformed("this has no place before all is decided");
    }
    return undefined;
  }

  #begin(begun: Attempt["begun"]): void {
    if (begun.election !== this.#election.electionId) throw new Malformed("the ceremony is for another election");
    if (begun.attempt !== this.#attempts + 1) throw new Malformed("a ceremony begins out of order");
    this.#attempts += 1;
    this.#attempt = new Attempt(begun);
  }

  /** The manifest, if the ceremony made its keys. */
  #decide(text: string): Decided {
    const { manifest, electionHash } = readManifest(text);
    const shown = this.#election.electionHash;
    if (manifest.electionId !== this.#election.electionId) throw new Malformed("the manifest is another election’s");
    if (shown !== undefined && toHex(electionHash) !== shown) {
      throw new Malformed("the server shows another definition than the board");
    }
    if (!this.#attempt) throw new Malformed("an election with secret votes has a ceremony");
    const { begun } = this.#attempt;
    const keys = this.#attempt.keys();
    const { threshold, names } = manifest.trustees;
    const same = names.length === begun.trustees.length && names.every((name, at) => name === begun.trustees[at]);
    if (!same || threshold !== begun.threshold || manifest.attempt !== begun.attempt) {
      throw new Malformed("the manifest names other trustees than made the key");
    }
    if (toHex(encodeKeys(keys)) !== manifest.keys) {
      throw new Malformed("the manifest’s keys are not those that the trustees made");
    }
    return { manifest, electionHash, keys, weights: manifest.issuers.map(({ weight }) => weight) };
  }
}
