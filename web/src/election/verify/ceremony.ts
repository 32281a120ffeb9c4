// The trustees' ceremony, once more: what they said makes the key, or somebody is to blame.

import { Malformed, fromBase64 } from "../../bytes.ts";
import { type Element, decodeElement } from "../../mixnet/group.ts";
import * as mixnet from "../../mixnet/trustees.ts";
import { ceremonyContext } from "../bindings.ts";
import { checkQuorum } from "./definition.ts";
import type { Body } from "./event.ts";

export type Step = Body<"election/said">["step"];

/** What all must have said before anybody says this: who sees the others’ first would choose theirs by it. */
const BEFORE: Record<Step, Step | null> = {
  "transport-key": null,
  "sealed-opening": "transport-key",
  opening: "sealed-opening",
  dealing: "opening",
  approval: "dealing",
  complaint: "dealing",
};

/** One attempt, as far as it was heard. */
export class Attempt {
  readonly begun: Body<"election/ceremony">;
  readonly #said = new Map<string, Uint8Array>();

  constructor(begun: Body<"election/ceremony">) {
    this.begun = begun;
  }

  /** Hears what a trustee said. */
  hear({ attempt, trustee, step, bytes }: Body<"election/said">): void {
    if (attempt !== this.begun.attempt || trustee < 1 || trustee > this.begun.trustees.length) {
      throw new Malformed("nobody who takes part in this ceremony said this");
    }
    const before = BEFORE[step];
    if (before !== null && this.begun.trustees.some((_, at) => !this.#said.has(place(before, at + 1)))) {
      throw new Malformed(`“${step}” is said before all have said their “${before}”`);
    }
    if (step === "approval" && bytes !== "") throw new Malformed("an approval says something");
    if (this.#said.has(place(step, trustee))) throw new Malformed(`trustee ${trustee} said their ${step} twice`);
    this.#said.set(place(step, trustee), fromBase64(bytes));
  }

  /** What a trustee said as this step. Nobody signs it: that it was they who said it, only they can tell. */
  heard(step: Step, trustee: number): Uint8Array | undefined {
    return this.#said.get(place(step, trustee));
  }

  /** What every trustee said as this step. */
  #all(step: Step): Uint8Array[] {
    return this.begun.trustees.map((_, at) => {
      const said = this.#said.get(place(step, at + 1));
      if (!said) throw new Malformed(`trustee ${at + 1} never said their ${step}`);
      return said;
    });
  }

  /** The keys that the ceremony made: everybody approved, and everything holds. */
  keys(): mixnet.TrusteeKeys {
    const { election, attempt, threshold, trustees } = this.begun;
    checkQuorum(threshold, trustees.length);
    const transportKeys: Element[] = this.#all("transport-key").map(decodeElement);
    if (transportKeys.some((key, at) => transportKeys.slice(0, at).some((other) => other.equals(key)))) {
      throw new Malformed("two trustees have the same transport key");
    }
    const about: mixnet.Ceremony = { context: ceremonyContext(election, attempt), threshold, transportKeys };
    const openings = this.#all("opening").map(mixnet.decodeOpening);
    refuseFaults(mixnet.faultsOfOpenings(about, this.#all("sealed-opening"), openings));
    refuseFaults(mixnet.faultsOfDealings(about, this.#all("dealing").map(mixnet.decodeDealing)));
    if (trustees.some((_, at) => this.#said.has(place("complaint", at + 1)))) {
      throw new Malformed("a trustee complained, and the ceremony went on");
    }
    this.#all("approval");
    return mixnet.conclude(about, openings);
  }
}

function place(step: Step, trustee: number): string {
  return `${step} ${trustee}`;
}

function refuseFaults([first]: mixnet.Fault[]): void {
  if (first) throw new Malformed(`trustee ${first.trustee} did not keep to the ceremony: ${first.offence}`);
}
