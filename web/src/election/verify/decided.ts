// What was decided before the first vote: the ceremonies, and the definition that the last of them ends with.

import { Malformed, toHex } from "../../bytes.ts";
import { type TrusteeKeys, encodeKeys } from "../../mixnet/trustees.ts";
import type { Election } from "../model.ts";
import { Attempt } from "./ceremony.ts";
import type { Event } from "./event.ts";
import { type OpenManifest, type SecretManifest, readManifest } from "./manifest.ts";

/** What everything that follows is bound to. */
interface Bound {
  electionHash: Uint8Array;
  /** In the order of the issuers. */
  weights: number[];
}

export interface SecretlyDecided extends Bound {
  manifest: SecretManifest;
  keys: TrusteeKeys;
  /** What the trustees said, which made the keys. */
  ceremony: Attempt;
}

/** Where votes are not secret, there are no keys. */
export interface OpenlyDecided extends Bound {
  manifest: OpenManifest;
  keys: undefined;
}

export type Decided = SecretlyDecided | OpenlyDecided;

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

  /** What a manifest says, if it is this election’s. */
  #decide(text: string): Decided {
    const { manifest, electionHash } = readManifest(text);
    const shown = this.#election.electionHash;
    if (manifest.electionId !== this.#election.electionId) throw new Malformed("the manifest is another election’s");
    if (shown !== undefined && toHex(electionHash) !== shown) {
      throw new Malformed("the server shows another definition than the board");
    }
    const bound = { electionHash, weights: manifest.issuers.map(({ weight }) => weight) };
    if (manifest.secret) {
      const ceremony = this.#attempt;
      if (!ceremony) throw new Malformed("an election with secret votes has a ceremony");
      return { ...bound, manifest, keys: keysOf(ceremony, manifest), ceremony };
    }
    if (this.#attempt) throw new Malformed("an election whose votes are not secret has no ceremony");
    return { ...bound, manifest, keys: undefined };
  }
}

/** The keys that the ceremony made, if the manifest names them. */
function keysOf(ceremony: Attempt, manifest: SecretManifest): TrusteeKeys {
  const { begun } = ceremony;
  const keys = ceremony.keys();
  const { threshold, names } = manifest.trustees;
  const same = names.length === begun.trustees.length && names.every((name, at) => name === begun.trustees[at]);
  if (!same || threshold !== begun.threshold || manifest.attempt !== begun.attempt) {
    throw new Malformed("the manifest names other trustees than made the key");
  }
  if (toHex(encodeKeys(keys)) !== manifest.keys) {
    throw new Malformed("the manifest’s keys are not those that the trustees made");
  }
  if (new Set(manifest.issuers.map(({ key }) => key)).size !== manifest.issuers.length) {
    throw new Malformed("two weights have one issuer’s key: a token of one is one of the other");
  }
  return keys;
}
