// ElGamal rows and ballots. See docs/elections-specification.md, sections 4 and 5.

import { Malformed, Reader, concat, u8 } from "../bytes.ts";
import {
  type Element,
  G,
  ZERO,
  encodeScalar,
  modulo,
  randomScalar,
  readElement,
  readScalar,
  sum,
  times,
} from "./group.ts";
import { Transcript } from "./transcript.ts";

/** `(rG, M + rY)`. */
export interface Ciphertext {
  mask: Element;
  body: Element;
}

export type Row = Ciphertext[];

export interface Ballot {
  row: Row;
  commitment: Element;
  response: bigint;
}

/** What a ballot of a contest is bound to. */
export interface Polling {
  /** Hash of all that was decided before the first vote: 32 bytes. */
  election: Uint8Array;
  contest: number;
  key: Element;
}

/** Whose ballot it is: the key that signs for the voter, and what gives the right to vote. */
export interface Caster {
  voter: Uint8Array;
  token: Uint8Array;
}

/** What only the booth knows of a ballot. Whoever has it can read the ballot. */
export type Secrets = bigint[];

export function encodeRow(row: Row): Uint8Array {
  return concat(...row.flatMap(({ mask, body }) => [mask.toBytes(), body.toBytes()]));
}

export function readRow(reader: Reader, width: number): Row {
  return Array.from({ length: width }, () => ({ mask: readElement(reader), body: readElement(reader) }));
}

export function encrypt(key: Element, plain: Element[], secrets: Secrets): Row {
  return plain.map((element, at) => ({
    mask: times(G, secrets[at]!),
    body: element.add(times(key, secrets[at]!)),
  }));
}

/** Encrypts an answer and proves that whoever casts it knows what is in it. */
export function cast(polling: Polling, caster: Caster, plain: Element[]): { ballot: Ballot; secrets: Secrets } {
  const secrets = plain.map(randomScalar);
  const row = encrypt(polling.key, plain, secrets);
  const nonce = randomScalar();
  const commitment = times(G, nonce);
  const challenge = challengeOf(polling, caster, row, commitment);
  let power = 1n;
  let response = nonce;
  for (const secret of secrets) {
    power = modulo(power * challenge);
    response = modulo(response + power * secret);
  }
  return { ballot: { row, commitment, response }, secrets };
}

export function holds(polling: Polling, caster: Caster, ballot: Ballot): boolean {
  const challenge = challengeOf(polling, caster, ballot.row, ballot.commitment);
  let power = 1n;
  const powers = ballot.row.map(() => (power = modulo(power * challenge)));
  const masks = ballot.row.map(({ mask }) => mask);
  return sum([-ballot.response, 1n, ...powers], [G, ballot.commitment, ...masks]).equals(ZERO);
}

function challengeOf(polling: Polling, caster: Caster, row: Row, commitment: Element): bigint {
  return Transcript.of("ballot")
    .tell("election", polling.election)
    .tellNumber("contest", polling.contest)
    .tellNumber("width", row.length)
    .tellElement("key", polling.key)
    .tell("voter", caster.voter)
    .tell("token", caster.token)
    .tell("ballot", concat(u8(row.length), encodeRow(row), commitment.toBytes()))
    .challenge("challenge");
}

export function encodeBallot({ row, commitment, response }: Ballot): Uint8Array {
  return concat(u8(row.length), encodeRow(row), commitment.toBytes(), encodeScalar(response));
}

export function decodeBallot(bytes: Uint8Array): Ballot {
  const reader = new Reader(bytes);
  const width = reader.number(1);
  if (width < 1 || width > 64) throw new Malformed(`a row of ${width}`);
  const ballot = { row: readRow(reader, width), commitment: readElement(reader), response: readScalar(reader) };
  reader.end();
  return ballot;
}

/** What a row says, to whoever knows its secrets: how a voter checks a booth. */
export function open(key: Element, row: Row, secrets: Secrets): Element[] {
  if (secrets.length !== row.length) throw new Malformed("another number of secrets");
  return row.map(({ mask, body }, at) => {
    if (!times(G, secrets[at]!).equals(mask)) throw new Malformed("these secrets are not of this ballot");
    return body.subtract(times(key, secrets[at]!));
  });
}
