// A trustee's part in the ceremony: what they say when, and what they refuse to. Secrets stay on this device.

import { Malformed, equal, fromBase64, fromHex, toBase64, toHex } from "../../bytes.ts";
import { G, decodeElement, decodeScalar, encodeScalar, randomScalar, times } from "../../mixnet/group.ts";
import * as mixnet from "../../mixnet/trustees.ts";
import { ask } from "../../page/api.ts";
import { ceremonyContext } from "../bindings.ts";
import type { Election } from "../model.ts";
import { checkQuorum } from "../verify/definition.ts";
import { type Attempt, Safe } from "./safe.ts";

export type Step = "transport-key" | "sealed-opening" | "opening" | "dealing" | "approval" | "concluded" | "void";

export interface Ceremony {
  state: string;
  attempt: number;
  context: string;
  threshold: number;
  trustees: number;
  you: number | null;
  step: Step;
  said: {
    trustee: number;
    name: string;
    transportKey: string | null;
    sealedOpening: string | null;
    opening: string | null;
    dealing: string | null;
    approved: boolean;
    complaint: string | null;
  }[];
  faults: { trustee: number; offence: string }[];
  keys: string | null;
}

/** A trustee who takes part. */
interface Taking {
  electionId: string;
  safe: Safe;
  secrets: Attempt;
  ceremony: Ceremony;
}

const scalar = (hex: string) => decodeScalar(fromHex(hex));

function about(ceremony: Ceremony): mixnet.Ceremony {
  return {
    context: fromHex(ceremony.context),
    threshold: ceremony.threshold,
    transportKeys: ceremony.said.map(({ transportKey }) => decodeElement(fromHex(transportKey ?? ""))),
  };
}

/** All trustees' transport keys as the server shows them, once they are all there. */
export function transportKeysOf({ said }: Ceremony): string[] | null {
  const keys = said.map(({ transportKey }) => transportKey);
  return keys.every((key) => key !== null) ? keys : null;
}

/** As much of a transport key as people read to each other: nobody finds another key that begins so. */
export function fingerprintOf(transportKey: string): string {
  return transportKey.slice(0, 20).replace(/(.{4})(?=.)/g, "$1 ");
}

/** Whether this trustee has yet to say that these keys are what all others see. */
export function waitsForAssent(ceremony: Ceremony, compared: string[] | null): boolean {
  const own = ceremony.said[(ceremony.you ?? 0) - 1];
  const due = ceremony.step === "approval" && own?.approved === false && own.complaint === null;
  return due && JSON.stringify(transportKeysOf(ceremony)) !== JSON.stringify(compared);
}

/**
 * Says what is waited for from this trustee, if anything is. Gives the ceremony as it then stands. The key is approved only
 * if the transport keys are those that the trustee has compared with the others: a server that shows each of them other
 * keys could read all shares.
 */
export async function takePart(election: Election, ceremony: Ceremony, compared: string[] | null): Promise<Ceremony> {
  const { electionId, board } = election;
  const trustee = ceremony.you;
  if (trustee === null) throw new Malformed("you are not a trustee of this election");
  // Everything is bound to this: a server that says another context would have it used elsewhere.
  if (!equal(fromHex(ceremony.context), ceremonyContext(electionId, ceremony.attempt))) {
    throw new Malformed("the server says another context than this election’s");
  }
  refuseOtherTrustees(election, ceremony);
  const safe = Safe.of(electionId);
  if (board) safe.boardKeys(board.keys);
  const own = ceremony.said[trustee - 1]!;
  const secrets = safe.begin(ceremony.attempt, trustee, () => toHex(encodeScalar(randomScalar())));
  const taking: Taking = { electionId, safe, secrets, ceremony };
  refuseImpersonation(secrets, ceremony);
  switch (ceremony.step) {
    case "transport-key":
      if (own.transportKey !== null) return ceremony;
      return say(taking, "transport-key", times(G, scalar(secrets.transport)).toBytes());
    case "sealed-opening":
      if (own.sealedOpening !== null) return ceremony;
      return say(taking, "sealed-opening", sealedOpening(taking));
    case "opening":
      if (own.opening !== null) return ceremony;
      return say(taking, "opening", fromBase64(secrets.opening!));
    case "dealing":
      if (own.dealing !== null) return ceremony;
      refuseFaults(mixnet.faultsOfOpenings(about(ceremony), ...openingsOf(ceremony)));
      return say(taking, "dealing", dealing(taking));
    case "approval":
      if (own.approved || own.complaint !== null) return ceremony;
      return receive(taking, !waitsForAssent(ceremony, compared));
    case "concluded":
      // Everybody has approved, and the server is about to say what came of it. Whether the board says so too is asked elsewhere.
      if (ceremony.keys !== null) refuseOtherKey(secrets, ceremony.keys);
      return ceremony;
    case "void":
      return ceremony;
  }
}

/** Whether the trustees, and how many of them decrypt, are those that this trustee was shown before they took part. */
function refuseOtherTrustees({ trustees: shown }: Election, { threshold, trustees, said }: Ceremony): void {
  checkQuorum(threshold, trustees);
  const same = shown?.threshold === threshold && shown.names.length === trustees && said.length === trustees;
  if (!same || said.some(({ trustee, name }, at) => trustee !== at + 1 || name !== shown.names[at])) {
    throw new Malformed("the server shows other trustees, or another number of them who decrypt, than it did before. Tell the election’s officers");
  }
}

/** Whether what the server shows that this trustee said is what this device said. */
function refuseImpersonation(secrets: Attempt, ceremony: Ceremony): void {
  const own = ceremony.said[secrets.trustee - 1]!;
  const sealed = () => secrets.opening && toHex(mixnet.seal(about(ceremony), secrets.trustee, mixnet.decodeOpening(fromBase64(secrets.opening))));
  const said: [string, boolean][] = [
    ["a transport key", own.transportKey === null || own.transportKey === toHex(times(G, scalar(secrets.transport)).toBytes())],
    ["a sealed opening", own.sealedOpening === null || own.sealedOpening === sealed()],
    ["an opening", own.opening === null || own.opening === secrets.opening],
    ["a dealing", own.dealing === null || own.dealing === secrets.dealing],
    ["an approval", !own.approved || secrets.share !== undefined],
  ];
  const other = said.find(([, own]) => !own);
  if (other) {
    throw new Malformed(
      `the server shows ${other[0]} that this device did not say. If you took part with another device, go on there; otherwise somebody speaks in your name: tell the election’s officers`,
    );
  }
}

function refuseOtherKey(secrets: Attempt, keys: string): void {
  const own = mixnet.decodeKeys(fromHex(keys)).trustees[secrets.trustee - 1];
  if (!secrets.share || !own || !times(G, scalar(secrets.share)).equals(own)) {
    throw new Malformed("the key that the server shows is not the one that this device has a share of. Tell the election’s officers");
  }
}

async function say({ electionId, ceremony: { attempt } }: Taking, step: string, bytes?: Uint8Array): Promise<Ceremony> {
  const body = bytes ? { attempt, bytes: toBase64(bytes) } : { attempt };
  return ask<Ceremony>(`/api/v1/elections/${electionId}/ceremony/${step}`, { method: "POST", body });
}

function sealedOpening({ safe, secrets, ceremony }: Taking): Uint8Array {
  if (secrets.polynomial === undefined) {
    const polynomial = mixnet.randomPolynomial(ceremony.threshold);
    const { opening } = mixnet.open(about(ceremony), secrets.trustee, polynomial);
    secrets.polynomial = polynomial.map((coefficient) => toHex(encodeScalar(coefficient)));
    secrets.opening = toBase64(mixnet.encodeOpening(opening));
    safe.save();
  }
  return mixnet.seal(about(ceremony), secrets.trustee, mixnet.decodeOpening(fromBase64(secrets.opening!)));
}

function openingsOf(ceremony: Ceremony): [Uint8Array[], mixnet.Opening[]] {
  const sealed = ceremony.said.map(({ sealedOpening }) => fromHex(sealedOpening ?? ""));
  return [sealed, ceremony.said.map(({ opening }) => mixnet.decodeOpening(fromBase64(opening ?? "")))];
}

function dealing({ safe, secrets, ceremony }: Taking): Uint8Array {
  if (secrets.dealing === undefined) {
    // Kept before it is said: whoever comes back says the same.
    const dealt = mixnet.deal(about(ceremony), secrets.trustee, secrets.polynomial!.map(scalar));
    secrets.dealing = toBase64(mixnet.encodeDealing(dealt));
    safe.save();
  }
  return fromBase64(secrets.dealing);
}

async function receive(taking: Taking, assented: boolean): Promise<Ceremony> {
  const { safe, secrets, ceremony } = taking;
  if (secrets.share !== undefined && !assented) return ceremony;
  const [sealed, openings] = openingsOf(ceremony);
  const dealings = ceremony.said.map(({ dealing }) => mixnet.decodeDealing(fromBase64(dealing ?? "")));
  refuseFaults(mixnet.faultsOfOpenings(about(ceremony), sealed, openings));
  refuseFaults(mixnet.faultsOfDealings(about(ceremony), dealings));
  const received = mixnet.receive(about(ceremony), secrets.trustee, scalar(secrets.transport), openings, dealings);
  if ("complaints" in received) {
    return say(taking, "complaint", mixnet.encodeComplaint(received.complaints[0]!));
  }
  // Kept before it is approved: a key to which shares are lost is of no use to anybody.
  secrets.share = toHex(encodeScalar(received.share));
  safe.save();
  return assented ? say(taking, "approval") : ceremony;
}

function refuseFaults(faults: mixnet.Fault[]): void {
  const [first] = faults;
  if (first) throw new Malformed(`trustee ${first.trustee} did not keep to the ceremony: ${first.offence}`);
}
