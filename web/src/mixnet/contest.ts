// Contests, answers, their bytes and their elements. See docs/elections-specification.md, section 3.

import { Malformed, concat, equal, text, u8 } from "../bytes.ts";
import { type Element, decodeElement } from "./group.ts";

export type Form =
  | { plurality: Record<string, never> }
  | { approval: { "approvals-max": number } }
  | { score: { "score-max": number } }
  | { ranked: { "ranks-max": number; "shared-ranks": boolean } };

export interface Contest {
  form: Form;
  options: number;
  "write-in-bytes-max"?: number;
}

export type Marks =
  | { plurality: number | null }
  | { approval: boolean[] }
  | { score: (number | null)[] }
  | { ranked: (number | null)[] };

export interface Answer {
  marks: Marks;
  "write-in"?: string;
}

/** Why something is no answer to a contest. */
export class NoAnswer extends Error {}

const EMBEDDED_BYTES = 30;
const TRIES = 8192;

function writeInBytesMax(contest: Contest): number {
  return contest["write-in-bytes-max"] ?? 0;
}

/** The options, and the one that is written in, if one may be. */
export function places(contest: Contest): number {
  return contest.options + (writeInBytesMax(contest) > 0 ? 1 : 0);
}

function markBytes(contest: Contest): number {
  if ("plurality" in contest.form) return 1;
  if ("approval" in contest.form) return Math.ceil(places(contest) / 8);
  return places(contest);
}

/** How many bytes each answer has. */
export function answerBytes(contest: Contest): number {
  const writeIn = writeInBytesMax(contest);
  return 1 + markBytes(contest) + (writeIn > 0 ? 1 + writeIn : 0);
}

/** How many elements each answer has. */
export function width(contest: Contest): number {
  return Math.ceil(answerBytes(contest) / EMBEDDED_BYTES);
}

/** Refuses whatever is no answer to the contest. */
export function check(contest: Contest, answer: Answer): void {
  const last = checkMarks(contest, answer.marks);
  const written = answer["write-in"];
  const belongs = writeInBytesMax(contest) > 0 && last;
  if (belongs !== (written !== undefined)) {
    throw new NoAnswer("a name is written in where none belongs, or is missing");
  }
  if (written === undefined) return;
  const bytes = text(written).length;
  const plain = !/\p{Cc}/u.test(written) && !written.startsWith(" ") && !written.endsWith(" ");
  if (!plain || bytes < 1 || bytes > writeInBytesMax(contest)) {
    throw new NoAnswer("what is written in is too long, or not plain text");
  }
}

/** Whether the last place is marked, if the marks are allowed. */
function checkMarks(contest: Contest, marks: Marks): boolean {
  const { form } = contest;
  const count = places(contest);
  const all = (length: number) => {
    if (length !== count) throw new NoAnswer(`${length} marks where the contest has another number of places`);
  };
  if ("plurality" in form && "plurality" in marks) {
    if (marks.plurality !== null && !(marks.plurality >= 0 && marks.plurality < count)) {
      throw new NoAnswer(`there is no option ${marks.plurality}`);
    }
    return marks.plurality === count - 1;
  }
  if ("approval" in form && "approval" in marks) {
    all(marks.approval.length);
    if (marks.approval.filter(Boolean).length > form.approval["approvals-max"]) {
      throw new NoAnswer("more options are approved than may be");
    }
    return marks.approval[count - 1] === true;
  }
  if ("score" in form && "score" in marks) {
    all(marks.score.length);
    const high = marks.score.find((score) => score !== null && !(score >= 0 && score <= form.score["score-max"]));
    if (high !== undefined) throw new NoAnswer(`the score ${high} is higher than the highest`);
    return marks.score[count - 1] !== null;
  }
  if ("ranked" in form && "ranked" in marks) {
    all(marks.ranked.length);
    checkRanks(marks.ranked, form.ranked["ranks-max"], form.ranked["shared-ranks"]);
    return marks.ranked[count - 1] !== null;
  }
  throw new NoAnswer("the marks are not of the contest's form");
}

/** Ranks are given from 1 on without a gap, so that an order has one way to be said. */
function checkRanks(ranks: (number | null)[], most: number, shared: boolean): void {
  const given = ranks.filter((rank) => rank !== null);
  const outside = given.find((rank) => !(rank >= 1 && rank <= most));
  if (outside !== undefined) throw new NoAnswer(`the rank ${outside} is none that may be given`);
  for (let rank = 1; rank <= Math.max(0, ...given); rank += 1) {
    const times = given.filter((other) => other === rank).length;
    if (times === 0) throw new NoAnswer(`nothing has the rank ${rank}, but something has a lower one`);
    if (times > 1 && !shared) throw new NoAnswer(`two options share the rank ${rank}`);
  }
}

/** The one encoding of an answer. */
export function encodeAnswer(contest: Contest, answer: Answer): Uint8Array {
  check(contest, answer);
  const writeIn = writeInBytesMax(contest);
  const written = text(answer["write-in"] ?? "");
  const tail = writeIn === 0 ? [] : [u8(written.length), written, new Uint8Array(writeIn - written.length)];
  return concat(encodeMarks(answer.marks), ...tail);
}

function encodeMarks(marks: Marks): Uint8Array {
  if ("plurality" in marks) return Uint8Array.of(1, marks.plurality === null ? 0 : marks.plurality + 1);
  if ("approval" in marks) {
    const bytes = new Uint8Array(1 + Math.ceil(marks.approval.length / 8));
    bytes[0] = 2;
    marks.approval.forEach((approved, at) => {
      if (approved) bytes[1 + (at >> 3)]! |= 1 << (at & 7);
    });
    return bytes;
  }
  if ("score" in marks) return Uint8Array.of(3, ...marks.score.map((score) => (score === null ? 0 : score + 1)));
  return Uint8Array.of(4, ...marks.ranked.map((rank) => rank ?? 0));
}

/** The answer that `bytes` are the one encoding of. */
export function decodeAnswer(contest: Contest, bytes: Uint8Array): Answer {
  if (bytes.length !== answerBytes(contest)) throw new NoAnswer("bytes that must be zero are not");
  const marks = decodeMarks(contest, bytes[0]!, bytes.subarray(1, 1 + markBytes(contest)));
  const written = decodeWriteIn(bytes.subarray(1 + markBytes(contest)));
  const answer: Answer = written === undefined ? { marks } : { marks, "write-in": written };
  check(contest, answer);
  return answer;
}

function decodeMarks({ form, ...contest }: Contest, kind: number, bytes: Uint8Array): Marks {
  const said = ["plurality", "approval", "score", "ranked"][kind - 1];
  if (said === undefined || !Object.hasOwn(form, said)) {
    throw new NoAnswer("the marks are not of the contest's form");
  }
  const marks = Array.from(bytes);
  if ("plurality" in form) return { plurality: marks[0] === 0 ? null : marks[0]! - 1 };
  if ("score" in form) return { score: marks.map((byte) => (byte === 0 ? null : byte - 1)) };
  if ("ranked" in form) return { ranked: marks.map((byte) => (byte === 0 ? null : byte)) };
  const count = places({ form, ...contest });
  const bits = marks.flatMap((byte) => [0, 1, 2, 3, 4, 5, 6, 7].map((bit) => ((byte >> bit) & 1) === 1));
  if (bits.slice(count).some(Boolean)) throw new NoAnswer("bytes that must be zero are not");
  return { approval: bits.slice(0, count) };
}

function decodeWriteIn(bytes: Uint8Array): string | undefined {
  if (bytes.length === 0) return undefined;
  const length = bytes[0]!;
  if (length > bytes.length - 1) throw new NoAnswer("what is written in is too long, or not plain text");
  if (bytes.subarray(1 + length).some((byte) => byte !== 0)) throw new NoAnswer("bytes that must be zero are not");
  try {
    const written = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes.subarray(1, 1 + length));
    return written === "" ? undefined : written;
  } catch {
    throw new NoAnswer("what is written in is too long, or not plain text");
  }
}

/** The elements of an answer: thirty bytes each, found by trying counters from zero. */
export function embed(contest: Contest, answer: Answer): Element[] {
  return chunks(encodeAnswer(contest, answer)).map(embedChunk);
}

function chunks(bytes: Uint8Array): Uint8Array[] {
  const count = Math.ceil(bytes.length / EMBEDDED_BYTES);
  const padded = new Uint8Array(count * EMBEDDED_BYTES);
  padded.set(bytes);
  return Array.from({ length: count }, (_, at) => padded.slice(at * EMBEDDED_BYTES, (at + 1) * EMBEDDED_BYTES));
}

function embedChunk(chunk: Uint8Array): Element {
  for (let counter = 0; counter < TRIES; counter += 1) {
    try {
      return decodeElement(concat(u8(2 * (counter % 128)), chunk, u8(Math.floor(counter / 128))));
    } catch (error) {
      if (!(error instanceof Malformed)) throw error;
    }
  }
  throw new Error("no counter fits, which does not happen");
}

/** The answer that was embedded. A counter that is not the lowest is refused: choosing one would mark a ballot. */
export function extract(contest: Contest, elements: Element[]): Answer {
  if (elements.length !== width(contest)) {
    throw new NoAnswer(`${elements.length} elements where the contest has another width`);
  }
  const bytes = elements.map((element) => {
    const encoded = element.toBytes();
    const chunk = encoded.slice(1, 31);
    if (!equal(embedChunk(chunk).toBytes(), encoded)) throw new NoAnswer("an element says nothing");
    return chunk;
  });
  const all = concat(...bytes);
  if (all.subarray(answerBytes(contest)).some((byte) => byte !== 0)) {
    throw new NoAnswer("bytes that must be zero are not");
  }
  return decodeAnswer(contest, all.subarray(0, answerBytes(contest)));
}
