// What a trustee does: takes part in the ceremony, and decrypts later. Secrets stay on this device.

import { sha256 } from "@noble/hashes/sha2.js";
import { Malformed, equal, fromBase64, fromHex, toBase64, toHex } from "../bytes.ts";
import { decodeRows, decrypt } from "../mixnet/decryption.ts";
import { G, decodeElement, decodeScalar, encodeScalar, randomScalar, times } from "../mixnet/group.ts";
import * as mixnet from "../mixnet/trustees.ts";
import { ask } from "../page/api.ts";
import { decryptionContext } from "./bindings.ts";
import type { Election } from "./model.ts";
import { readRecord } from "./record.ts";
import { Verifier, ceremonyContext } from "./verify.ts";

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

export interface Decryption {
  state: string;
  you: number | null;
  threshold: number;
  lists: { list: number; rows: number; width: number; context: string; blob: string }[];
  decrypted: number[];
  lied: number[];
  checking: number[];
}

/** A trustee's secrets for one attempt. */
interface Kept {
  electionId: string;
  attempt: number;
  trustee: number;
  transport: string;
  polynomial?: string[];
  opening?: string;
  dealing?: string;
  share?: string;
}

const name = (electionId: string) => `trustee/${electionId}`;

function kept(electionId: string): Kept | null {
  const text = localStorage.getItem(name(electionId));
  return text === null ? null : (JSON.parse(text) as Kept);
}

function keep(secrets: Kept): void {
  localStorage.setItem(name(secrets.electionId), JSON.stringify(secrets));
}

export function exported(electionId: string): string | null {
  return localStorage.getItem(name(electionId));
}

export function imported(electionId: string, text: string): void {
  let secrets: Kept;
  try {
    secrets = JSON.parse(text) as Kept;
  } catch {
    throw new Malformed("this file holds no trustee’s key");
  }
  if (secrets.electionId !== electionId || !secrets.share) throw new Malformed("this file holds no key for this election");
  keep(secrets);
}

/** Whether this device holds the share of the key. */
export function hasShare(electionId: string): boolean {
  return kept(electionId)?.share !== undefined;
}

const scalar = (hex: string) => decodeScalar(fromHex(hex));

function about(ceremony: Ceremony): mixnet.Ceremony {
  return {
    context: fromHex(ceremony.context),
    threshold: ceremony.threshold,
    transportKeys: ceremony.said.map(({ transportKey }) => decodeElement(fromHex(transportKey ?? ""))),
  };
}

/** Says what is waited for from this trustee, if anything is. Gives the ceremony as it then stands. */
export async function takePart(electionId: string, ceremony: Ceremony): Promise<Ceremony> {
  const trustee = ceremony.you;
  if (trustee === null) throw new Malformed("you are not a trustee of this election");
  // Everything is bound to this: a server that says another context would have it used elsewhere.
  if (!equal(fromHex(ceremony.context), ceremonyContext(electionId, ceremony.attempt))) {
    throw new Malformed("the server says another context than this election’s");
  }
  const own = ceremony.said[trustee - 1]!;
  const secrets = secretsFor(electionId, ceremony.attempt, trustee);
  refuseImpersonation(secrets, ceremony);
  switch (ceremony.step) {
    case "transport-key":
      if (own.transportKey !== null) return ceremony;
      return say(electionId, ceremony, "transport-key", times(G, scalar(secrets.transport)).toBytes());
    case "sealed-opening":
      if (own.sealedOpening !== null) return ceremony;
      return say(electionId, ceremony, "sealed-opening", sealedOpening(secrets, ceremony));
    case "opening":
      if (own.opening !== null) return ceremony;
      return say(electionId, ceremony, "opening", fromBase64(secrets.opening!));
    case "dealing":
      if (own.dealing !== null) return ceremony;
      refuseFaults(mixnet.faultsOfOpenings(about(ceremony), ...openingsOf(ceremony)));
      return say(electionId, ceremony, "dealing", dealing(secrets, ceremony));
    case "approval":
      if (own.approved || own.complaint !== null) return ceremony;
      return receive(secrets, ceremony);
    case "concluded":
      // Everybody has approved, and the server is about to say what came of it.
      if (ceremony.keys !== null) refuseOtherKey(secrets, ceremony.keys);
      return ceremony;
    case "void":
      return ceremony;
  }
}

/** Whether what the server shows that this trustee said is what this device said. */
function refuseImpersonation(secrets: Kept, ceremony: Ceremony): void {
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

function refuseOtherKey(secrets: Kept, keys: string): void {
  const own = mixnet.decodeKeys(fromHex(keys)).trustees[secrets.trustee - 1];
  if (!secrets.share || !own || !times(G, scalar(secrets.share)).equals(own)) {
    throw new Malformed("the key that the server shows is not the one that this device has a share of. Tell the election’s officers");
  }
}

function secretsFor(electionId: string, attempt: number, trustee: number): Kept {
  const found = kept(electionId);
  if (found?.attempt === attempt && found.trustee === trustee) return found;
  const begun = { electionId, attempt, trustee, transport: toHex(encodeScalar(randomScalar())) };
  keep(begun);
  return begun;
}

async function say(electionId: string, { attempt }: Ceremony, step: string, bytes?: Uint8Array): Promise<Ceremony> {
  const body = bytes ? { attempt, bytes: toBase64(bytes) } : { attempt };
  return ask<Ceremony>(`/api/v1/elections/${electionId}/ceremony/${step}`, { method: "POST", body });
}

function sealedOpening(secrets: Kept, ceremony: Ceremony): Uint8Array {
  if (secrets.polynomial === undefined) {
    const polynomial = mixnet.randomPolynomial(ceremony.threshold);
    const { opening } = mixnet.open(about(ceremony), secrets.trustee, polynomial);
    secrets.polynomial = polynomial.map((coefficient) => toHex(encodeScalar(coefficient)));
    secrets.opening = toBase64(mixnet.encodeOpening(opening));
    keep(secrets);
  }
  return mixnet.seal(about(ceremony), secrets.trustee, mixnet.decodeOpening(fromBase64(secrets.opening!)));
}

function openingsOf(ceremony: Ceremony): [Uint8Array[], mixnet.Opening[]] {
  const sealed = ceremony.said.map(({ sealedOpening }) => fromHex(sealedOpening ?? ""));
  return [sealed, ceremony.said.map(({ opening }) => mixnet.decodeOpening(fromBase64(opening ?? "")))];
}

function dealing(secrets: Kept, ceremony: Ceremony): Uint8Array {
  if (secrets.dealing === undefined) {
    // Kept before it is said: whoever comes back says the same.
    const dealt = mixnet.deal(about(ceremony), secrets.trustee, secrets.polynomial!.map(scalar));
    secrets.dealing = toBase64(mixnet.encodeDealing(dealt));
    keep(secrets);
  }
  return fromBase64(secrets.dealing);
}

async function receive(secrets: Kept, ceremony: Ceremony): Promise<Ceremony> {
  const [sealed, openings] = openingsOf(ceremony);
  const dealings = ceremony.said.map(({ dealing }) => mixnet.decodeDealing(fromBase64(dealing ?? "")));
  refuseFaults(mixnet.faultsOfOpenings(about(ceremony), sealed, openings));
  refuseFaults(mixnet.faultsOfDealings(about(ceremony), dealings));
  const received = mixnet.receive(about(ceremony), secrets.trustee, scalar(secrets.transport), openings, dealings);
  if ("complaints" in received) {
    return say(secrets.electionId, ceremony, "complaint", mixnet.encodeComplaint(received.complaints[0]!));
  }
  // Kept before it is approved: a key to which shares are lost is of no use to anybody.
  secrets.share = toHex(encodeScalar(received.share));
  keep(secrets);
  return say(secrets.electionId, ceremony, "approval");
}

function refuseFaults(faults: mixnet.Fault[]): void {
  const [first] = faults;
  if (first) throw new Malformed(`trustee ${first.trustee} did not keep to the ceremony: ${first.offence}`);
}

/** Checks the record up to the last mix, decrypts this trustee's part of it, and hands that in to be checked. */
export async function decryptAll(
  election: Election,
  decryption: Decryption,
  told: (what: string) => Promise<void>,
): Promise<void> {
  const secrets = kept(election.electionId);
  if (!secrets?.share) throw new Malformed("this device does not hold your share of the key");
  const record = await readRecord(election, () => {});
  const verifier = new Verifier(election, record, ({ what }) => told(`Checked: ${what.toLowerCase()}`));
  await verifier.definition(election);
  const share = scalar(secrets.share);
  if (!times(G, share).equals(verifier.keys.trustees[secrets.trustee - 1]!)) {
    throw new Malformed("the share on this device is not of this election’s key");
  }
  // A trustee who decrypts whatever they are shown decrypts single ballots: only what was mixed is decrypted.
  const lists = await verifier.mixes(await verifier.ballots());
  const partials: { list: number; blob: string }[] = [];
  for (const { number, rows } of lists) {
    const named = decryption.lists.find(({ list }) => list === number);
    if (named?.blob !== toHex(sha256(rows.encoded))) throw new Malformed(`list ${number} is not what came out of the last mix`);
    const context = decryptionContext(verifier.electionHash, number);
    const bytes = decrypt(verifier.keys, context, decodeRows(rows.encoded), secrets.trustee, share);
    const blob = toHex(sha256(bytes));
    await upload(election.electionId, blob, bytes);
    partials.push({ list: number, blob });
    await told(`Decrypted list ${number + 1}`);
  }
  await ask(`/api/v1/elections/${election.electionId}/decryption`, { method: "POST", body: { partials } });
}

const PART_BYTES = 524_288;

async function upload(electionId: string, blob: string, bytes: Uint8Array): Promise<void> {
  for (let part = 0; part * PART_BYTES < bytes.length; part += 1) {
    const some = bytes.slice(part * PART_BYTES, (part + 1) * PART_BYTES);
    await ask(`/api/v1/elections/${electionId}/blobs/${blob}/parts/${part}`, { method: "PUT", bytes: some });
  }
}

