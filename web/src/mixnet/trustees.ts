// The trustees' key: fixed, opened, dealt, complained of, concluded. See docs/elections-specification.md, section 8.

import { Malformed, Reader, concat, equal, text, u16, u32 } from "../bytes.ts";
import {
  type Element,
  G,
  ZERO,
  decodeElement,
  decodeScalar,
  encodeScalar,
  modulo,
  randomScalar,
  readElement,
  readElements,
  sum,
  times,
} from "./group.ts";
import {
  type EqualityProof,
  type KnowledgeProof,
  encodeEquality,
  encodeKnowledge,
  isEqual,
  isKnown,
  proveEquality,
  proveKnowledge,
  readEquality,
  readKnowledge,
} from "./proofs.ts";
import { Transcript } from "./transcript.ts";

/** What all that is shown in a ceremony is bound to. Trustees are numbered from 1. */
export interface Ceremony {
  context: Uint8Array;
  threshold: number;
  transportKeys: Element[];
}

export interface Opening {
  coefficients: Element[];
  knowledge: KnowledgeProof;
}

export interface SealedShare {
  key: Element;
  ciphertext: Uint8Array;
  knowledge: KnowledgeProof;
}

export type Dealing = SealedShare[];

export interface Complaint {
  dealer: number;
  accuser: number;
  shared: Element;
  proof: EqualityProof;
}

export interface TrusteeKeys {
  threshold: number;
  key: Element;
  trustees: Element[];
}

/** What somebody did that is not done in a ceremony. */
export interface Fault {
  trustee: number;
  offence: "silence" | "opening" | "degree" | "knowledge" | "shares" | "share key" | "wrong share" | "false accusation";
}

function transcript(ceremony: Ceremony, about: string, trustee: number): Transcript {
  const begun = Transcript.of("key ceremony")
    .tell("context", ceremony.context)
    .tellNumber("threshold", ceremony.threshold)
    .tellNumber("trustees", ceremony.transportKeys.length);
  for (const key of ceremony.transportKeys) begun.tellElement("transport key", key);
  return begun.tell("about", text(about)).tellNumber("trustee", trustee);
}

function openingTranscript(ceremony: Ceremony, trustee: number, coefficients: Element[]): Transcript {
  const begun = transcript(ceremony, "opening", trustee);
  for (const coefficient of coefficients) begun.tellElement("coefficient", coefficient);
  return begun;
}

/** A secret polynomial: its coefficients, the constant one first. */
export type Polynomial = bigint[];

export function randomPolynomial(threshold: number): Polynomial {
  return Array.from({ length: threshold }, randomScalar);
}

/** First and second round: what is opened once everybody's part is fixed, and what fixes it. */
export function open(ceremony: Ceremony, trustee: number, polynomial: Polynomial): { opening: Opening; sealed: Uint8Array } {
  const coefficients = polynomial.map((coefficient) => times(G, coefficient));
  const knowledge = proveKnowledge(openingTranscript(ceremony, trustee, coefficients), polynomial[0]!);
  const opening = { coefficients, knowledge };
  return { opening, sealed: seal(ceremony, trustee, opening) };
}

export function seal(ceremony: Ceremony, trustee: number, opening: Opening): Uint8Array {
  return transcript(ceremony, "sealed opening", trustee).tell("opening", encodeOpening(opening)).challengeBytes("seal");
}

/** What is wrong with the openings. Nothing, if everybody opened what they had fixed, and knows it. */
export function faultsOfOpenings(ceremony: Ceremony, sealed: Uint8Array[], openings: Opening[]): Fault[] {
  return ceremony.transportKeys.flatMap((_, at) => {
    const trustee = at + 1;
    const [fixed, opening] = [sealed[at], openings[at]];
    const fault = (offence: Fault["offence"]) => [{ trustee, offence }];
    if (!fixed || !opening) return fault("silence");
    if (!equal(seal(ceremony, trustee, opening), fixed)) return fault("opening");
    if (opening.coefficients.length !== ceremony.threshold) return fault("degree");
    const known = openingTranscript(ceremony, trustee, opening.coefficients);
    return isKnown(known, opening.coefficients[0]!, opening.knowledge) ? [] : fault("knowledge");
  });
}

function shareTranscript(
  ceremony: Ceremony,
  dealer: number,
  receiver: number,
  share: Omit<SealedShare, "knowledge">,
): Transcript {
  return transcript(ceremony, "share key", dealer)
    .tellNumber("receiver", receiver)
    .tellElement("key", share.key)
    .tell("ciphertext", share.ciphertext);
}

/** XOR with a hash of the shared element: hides a share, and shows it again. */
function mask(
  ceremony: Ceremony,
  dealer: number,
  receiver: number,
  key: Element,
  shared: Element,
  bytes: Uint8Array,
): Uint8Array {
  const pad = transcript(ceremony, "share", dealer)
    .tellNumber("receiver", receiver)
    .tellElement("key", key)
    .tellElement("shared", shared)
    .challengeBytes("pad");
  return bytes.map((byte, at) => byte ^ pad[at]!);
}

function valueAt(polynomial: Polynomial, place: number): bigint {
  return polynomial.reduceRight((value, coefficient) => modulo(value * BigInt(place) + coefficient), 0n);
}

function committedAt(coefficients: Element[], place: number): Element {
  let power = 1n;
  const powers = coefficients.map(() => {
    const now = power;
    power = modulo(power * BigInt(place));
    return now;
  });
  return sum(powers, coefficients);
}

/** Third round: a share for each trustee, sealed for them alone. */
export function deal(ceremony: Ceremony, dealer: number, polynomial: Polynomial): Dealing {
  return ceremony.transportKeys.map((transport, at) => {
    const receiver = at + 1;
    const secret = randomScalar();
    const key = times(G, secret);
    const share = encodeScalar(valueAt(polynomial, receiver));
    const ciphertext = mask(ceremony, dealer, receiver, key, times(transport, secret), share);
    const knowledge = proveKnowledge(shareTranscript(ceremony, dealer, receiver, { key, ciphertext }), secret);
    return { key, ciphertext, knowledge };
  });
}

export function faultsOfDealings(ceremony: Ceremony, dealings: Dealing[]): Fault[] {
  return ceremony.transportKeys.flatMap((_, at) => {
    const dealing = dealings[at];
    const fault = (offence: Fault["offence"]) => [{ trustee: at + 1, offence }];
    if (!dealing) return fault("silence");
    if (dealing.length !== ceremony.transportKeys.length) return fault("shares");
    const known = dealing.every((share, receiver) =>
      isKnown(shareTranscript(ceremony, at + 1, receiver + 1, share), share.key, share.knowledge),
    );
    return known ? [] : fault("share key");
  });
}

function unmask(
  ceremony: Ceremony,
  dealer: number,
  receiver: number,
  sealed: SealedShare,
  shared: Element,
  opening: Opening,
): bigint | undefined {
  const bytes = mask(ceremony, dealer, receiver, sealed.key, shared, sealed.ciphertext);
  let share: bigint;
  try {
    share = decodeScalar(bytes);
  } catch (error) {
    if (error instanceof Malformed) return undefined;
    throw error;
  }
  return times(G, share).equals(committedAt(opening.coefficients, receiver)) ? share : undefined;
}

function complaintTranscript(ceremony: Ceremony, dealer: number, accuser: number, key: Element, shared: Element) {
  return transcript(ceremony, "complaint", accuser)
    .tellNumber("dealer", dealer)
    .tellElement("key", key)
    .tellElement("shared", shared);
}

/** Last round: the sum of all shares that were dealt to a trustee, or what there is to complain of. */
export function receive(
  ceremony: Ceremony,
  trustee: number,
  transportSecret: bigint,
  openings: Opening[],
  dealings: Dealing[],
): { share: bigint } | { complaints: Complaint[] } {
  const complaints: Complaint[] = [];
  let total = 0n;
  openings.forEach((opening, at) => {
    const sealed = dealings[at]![trustee - 1]!;
    const shared = times(sealed.key, transportSecret);
    const share = unmask(ceremony, at + 1, trustee, sealed, shared, opening);
    if (share === undefined) {
      const begun = complaintTranscript(ceremony, at + 1, trustee, sealed.key, shared);
      const proof = proveEquality(begun, sealed.key, transportSecret);
      complaints.push({ dealer: at + 1, accuser: trustee, shared, proof });
    } else {
      total = modulo(total + share);
    }
  });
  return complaints.length > 0 ? { complaints } : { share: total };
}

/** Who lied: the dealer, if the share is wrong, or else the accuser. Everybody comes to the same verdict. */
export function judge(ceremony: Ceremony, openings: Opening[], dealings: Dealing[], complaint: Complaint): Fault {
  const { dealer, accuser, shared, proof } = complaint;
  const falsely: Fault = { trustee: accuser, offence: "false accusation" };
  const sealed = dealings[dealer - 1]?.[accuser - 1];
  const [opening, transport] = [openings[dealer - 1], ceremony.transportKeys[accuser - 1]];
  if (!sealed || !opening || !transport) return falsely;
  const begun = complaintTranscript(ceremony, dealer, accuser, sealed.key, shared);
  const proven = isEqual(begun, sealed.key, [transport, shared], proof);
  const right = unmask(ceremony, dealer, accuser, sealed, shared, opening) !== undefined;
  return proven && !right ? { trustee: dealer, offence: "wrong share" } : falsely;
}

/** The keys that the openings add up to. Anybody computes them. */
export function conclude(ceremony: Ceremony, openings: Opening[]): TrusteeKeys {
  const total = (of: (coefficients: Element[]) => Element) => {
    const element = openings.reduce((sum, { coefficients }) => sum.add(of(coefficients)), ZERO);
    if (element.equals(ZERO)) throw new Malformed("the identity");
    return element;
  };
  return {
    threshold: ceremony.threshold,
    key: total((coefficients) => coefficients[0]!),
    trustees: ceremony.transportKeys.map((_, at) => total((coefficients) => committedAt(coefficients, at + 1))),
  };
}

export function encodeOpening({ coefficients, knowledge }: Opening): Uint8Array {
  const elements = coefficients.map((coefficient) => coefficient.toBytes());
  return concat(u32(elements.length), ...elements, encodeKnowledge(knowledge));
}

export function decodeOpening(bytes: Uint8Array): Opening {
  const reader = new Reader(bytes);
  const coefficients = readElements(reader, reader.count(32));
  const opening = { coefficients, knowledge: readKnowledge(reader) };
  reader.end();
  return opening;
}

export function encodeDealing(dealing: Dealing): Uint8Array {
  const share = ({ key, ciphertext, knowledge }: SealedShare) =>
    concat(key.toBytes(), ciphertext, encodeKnowledge(knowledge));
  return concat(u32(dealing.length), ...dealing.map(share));
}

export function decodeDealing(bytes: Uint8Array): Dealing {
  const reader = new Reader(bytes);
  const dealing = Array.from({ length: reader.count(128) }, () => ({
    key: readElement(reader),
    ciphertext: reader.bytes(32),
    knowledge: readKnowledge(reader),
  }));
  reader.end();
  return dealing;
}

export function encodeComplaint({ dealer, accuser, shared, proof }: Complaint): Uint8Array {
  return concat(u16(dealer), u16(accuser), shared.toBytes(), encodeEquality(proof));
}

export function decodeComplaint(bytes: Uint8Array): Complaint {
  const reader = new Reader(bytes);
  const [dealer, accuser] = [reader.number(2), reader.number(2)];
  const complaint = { dealer, accuser, shared: readElement(reader), proof: readEquality(reader) };
  reader.end();
  return complaint;
}

export function encodeKeys({ threshold, key, trustees }: TrusteeKeys): Uint8Array {
  return concat(u16(threshold), u16(trustees.length), key.toBytes(), ...trustees.map((key) => key.toBytes()));
}

export function decodeKeys(bytes: Uint8Array): TrusteeKeys {
  const reader = new Reader(bytes);
  const threshold = reader.number(2);
  const count = reader.number(2);
  const keys = { threshold, key: decodeElement(reader.bytes(32)), trustees: readElements(reader, count) };
  reader.end();
  return keys;
}
