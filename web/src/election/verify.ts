// An election checked from its published record alone, on this device. `holdfast verify-election` checks the same and
// counts again by every rule; this one is for those who have a browser and an election of some thousand ballots.

import { ristretto255_hasher, ristretto255_oprf } from "@noble/curves/ed25519.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { Malformed, equal, fromBase64, fromHex, text, toHex } from "../bytes.ts";
import { type Ballot, decodeBallot, holds as ballotHolds } from "../mixnet/ballot.ts";
import { type Answer, NoAnswer, extract } from "../mixnet/contest.ts";
import {
  type PartialDecryption,
  type Rows,
  combine,
  decodePartial,
  decodeRows,
  holds as partialHolds,
  rowsOf,
} from "../mixnet/decryption.ts";
import { decodeElement } from "../mixnet/group.ts";
import { decodeShuffleProof, isShuffle } from "../mixnet/shuffle.ts";
import * as ceremony from "../mixnet/trustees.ts";
import { askBytes } from "../page/api.ts";
import {
  decryptionContext,
  electionHashOf,
  encodeStatement,
  generatorsLabel,
  isSigned,
  listOf,
  mixContext,
} from "./bindings.ts";
import { type Election, type ContestBody, contestOf } from "./model.ts";
import { type Record, bodyOf } from "./record.ts";

interface Manifest {
  electionId: string;
  secret: boolean;
  mixers: number;
  contests: ContestBody[];
  trustees: { threshold: number; names: string[] };
  attempt: number;
  keys: string;
  issuers: { weight: number; key: string }[];
}

interface BallotBody {
  voter: string;
  token: string;
  weight: number;
  ballots: string[];
  signature: string;
}

/** A list that is mixed and decrypted: the rows of one contest and one weight. */
export interface List {
  number: number;
  contest: number;
  weight: number;
  /** The last mixer's output, or what went into the first while nobody has mixed. */
  rows: Rows;
  mixers: number;
}

/** What was found in order, in the order in which it was checked. */
export interface Found {
  what: string;
  how: string;
}

/** Takes a record apart. Each step throws if something in it is wrong. */
export class Verifier {
  readonly #record: Record;
  readonly #told: (found: Found) => Promise<void>;
  readonly #blobs = new Map<string, Uint8Array>();
  readonly #electionId: string;
  manifest!: Manifest;
  electionHash!: Uint8Array;
  keys!: ceremony.TrusteeKeys;

  constructor(election: Election, record: Record, told: (found: Found) => Promise<void>) {
    this.#electionId = election.electionId;
    this.#record = record;
    this.#told = told;
  }

  /** The definition, and the key that the trustees made for it. */
  async definition(published: Election): Promise<void> {
    const [defined] = this.#of("election/defined");
    if (!defined) throw new Malformed("the board has no definition of the election");
    const { manifest } = bodyOf<{ manifest: string }>(defined);
    this.electionHash = electionHashOf(manifest);
    this.manifest = JSON.parse(manifest) as Manifest;
    if (toHex(this.electionHash) !== published.electionHash) {
      throw new Malformed("the server shows another definition than the board");
    }
    await this.#told({ what: "Definition", how: `its hash is what all ballots and proofs are bound to: ${toHex(this.electionHash).slice(0, 16)}…` });
    this.keys = this.#ceremony();
    const { threshold, trustees } = this.keys;
    if (toHex(ceremony.encodeKeys(this.keys)) !== this.manifest.keys) {
      throw new Malformed("the definition’s key is not the one that the trustees made");
    }
    await this.#told({ what: "Key", how: `made by ${trustees.length} trustees on the board, of whom ${threshold} decrypt together` });
  }

  #ceremony(): ceremony.TrusteeKeys {
    const { attempt } = this.manifest;
    const said = this.#of("election/said").map((entry) =>
      bodyOf<{ attempt: number; trustee: number; step: string; bytes: string }>(entry),
    );
    const { names, threshold } = this.manifest.trustees;
    const step = (name: string) =>
      names.map((_, at) => {
        const found = said.find((each) => each.attempt === attempt && each.trustee === at + 1 && each.step === name);
        if (!found) throw new Malformed(`trustee ${at + 1} never said their ${name}`);
        return fromBase64(found.bytes ?? "");
      });
    const begun = this.#of("election/ceremony").map((entry) => bodyOf<{ election: string; attempt: number }>(entry));
    const own = begun.find((each) => each.attempt === attempt);
    if (own?.election !== this.#electionId) throw new Malformed("the ceremony was for another election");
    const context = ceremonyContext(this.#electionId, attempt);
    const transportKeys = step("transport-key").map(decodeElement);
    const about: ceremony.Ceremony = { context, threshold, transportKeys };
    const openings = step("opening").map(ceremony.decodeOpening);
    const dealings = step("dealing").map(ceremony.decodeDealing);
    const faults = [
      ...ceremony.faultsOfOpenings(about, step("sealed-opening"), openings),
      ...ceremony.faultsOfDealings(about, dealings),
    ];
    if (faults[0]) throw new Malformed(`trustee ${faults[0].trustee}: ${faults[0].offence}`);
    return ceremony.conclude(about, openings);
  }

  /** Every ballot and every verdict. Gives the ballot of each voter key that counts, in the board's order. */
  async ballots(): Promise<BallotBody[]> {
    const confirmed = this.#confirmed();
    const counting = new Map<string, { index: number; body: BallotBody }>();
    let checked = 0;
    for (const entry of this.#of("election/ballot")) {
      const body = bodyOf<BallotBody>(entry);
      const holds = this.#holds(body);
      const verdict = confirmed(entry.index);
      if (verdict === true && !holds) throw new Malformed(`ballot ${entry.index} was confirmed and does not hold`);
      if (verdict === "proof" && holds) throw new Malformed(`ballot ${entry.index} was refused and holds`);
      if (verdict === true) counting.set(body.voter, { index: entry.index, body });
      checked += 1;
      if (checked % 20 === 0) await pause();
    }
    const last = [...counting.values()].sort((one, other) => one.index - other.index);
    await this.#told({ what: "Ballots", how: `${checked} on the board, each with signature and proof; ${last.length} count, one for each voter key` });
    return last.map(({ body }) => body);
  }

  /** Whether a ballot was confirmed, or why it was refused; nothing while nobody has said. */
  #confirmed(): (index: number) => true | string | undefined {
    const verdicts = this.#of("election/verdicts").map((entry) =>
      bodyOf<{ from: number; to: number; refused: { index: number; reason: string }[] }>(entry),
    );
    return (index) => {
      const verdict = verdicts.find(({ from, to }) => from <= index && index < to);
      if (!verdict) return undefined;
      return verdict.refused.find((each) => each.index === index)?.reason ?? true;
    };
  }

  #holds(body: BallotBody): boolean {
    try {
      const { contests } = this.manifest;
      const weights = this.#weights();
      const [voter, token, signature] = [body.voter, body.token, body.signature].map(fromHex) as [
        Uint8Array,
        Uint8Array,
        Uint8Array,
      ];
      const ballots = body.ballots.map(fromBase64);
      const { electionHash } = this;
      const statement = encodeStatement({ electionHash, voterKey: voter, token, weight: body.weight, ballots });
      if (ballots.length !== contests.length || !weights.includes(body.weight)) return false;
      if (!isSigned(statement, signature, voter)) return false;
      return ballots.every((bytes, at) => {
        const contest = listOf(weights, body.weight, contests.length, at);
        const polling = { election: electionHash, contest, key: this.keys.key };
        return ballotHolds(polling, { voter, token }, decodeBallot(bytes));
      });
    } catch (error) {
      if (error instanceof Malformed) return false;
      throw error;
    }
  }

  /** Every token that was redeemed is one that the issuer gave, and no more are than were asked for by name. */
  async tokens(counting: BallotBody[]): Promise<void> {
    const [closed] = this.#of("election/closed");
    const issued = closed ? bodyOf<{ issued: { weight: number; issued: number }[] }>(closed).issued : [];
    for (const entry of this.#of("election/redeemed")) {
      const body = bodyOf<{ weight: number; tokens: number; multiples: string; proofs: string[] }>(entry);
      const own = counting.filter(({ weight }) => weight === body.weight);
      const bytes = await this.#blob(body.multiples);
      const issuer = this.manifest.issuers.find(({ weight }) => weight === body.weight);
      if (!issuer || own.length !== body.tokens || bytes.length !== 32 * own.length) {
        throw new Malformed("not as many tokens were redeemed as ballots count");
      }
      const most = issued.find(({ weight }) => weight === body.weight)?.issued ?? 0;
      if (own.length > most) throw new Malformed(`${own.length} tokens were redeemed and ${most} given`);
      redeemed(fromHex(issuer.key), own, bytes, body.proofs.map(fromHex));
    }
    const given = issued.reduce((sum, each) => sum + each.issued, 0);
    await this.#told({ what: "Tokens", how: `${counting.length} redeemed of ${given} given; each is the issuer’s` });
  }

  /** The lists as they went through the mixers, each mix proven. */
  async mixes(counting: BallotBody[]): Promise<List[]> {
    const { contests, mixers } = this.manifest;
    const weights = this.#weights();
    const mixed = this.#of("election/mixed").map((entry) =>
      bodyOf<{ list: number; mixer: number; output: string; proof: string }>(entry),
    );
    const label = generatorsLabel(this.electionHash);
    const lists: List[] = [];
    for (const weight of weights) {
      for (let contest = 0; contest < contests.length; contest += 1) {
        const number = listOf(weights, weight, contests.length, contest);
        const own = counting.filter((body) => body.weight === weight);
        if (own.length === 0) continue;
        let rows = rowsOf(own.map(({ ballots }) => ballotOf(ballots[contest]!).row));
        for (let mixer = 1; mixer <= mixers; mixer += 1) {
          const mix = mixed.find((each) => each.list === number && each.mixer === mixer);
          if (!mix) throw new Malformed(`mixer ${mixer} has not mixed list ${number}`);
          const output = decodeRows(await this.#blob(mix.output));
          const proof = decodeShuffleProof(await this.#blob(mix.proof));
          const statement = { context: mixContext(this.electionHash, number, mixer), key: this.keys.key, label };
          if (!isShuffle(statement, rows, output, proof)) throw new Malformed(`mixer ${mixer} lied about list ${number}`);
          rows = output;
          await pause();
        }
        lists.push({ number, contest, weight, rows, mixers });
      }
    }
    await this.#told({ what: "Mixes", how: `${lists.length * mixers} mixes, each proven to lose, add and change nothing` });
    return lists;
  }

  /** What the trustees decrypted, and what comes out of it: answers by contest, with their weights. */
  async decryptions(lists: List[]): Promise<{ answers: (Answer | null)[]; weight: number }[][]> {
    const decrypted = this.#of("election/decrypted").map((entry) =>
      bodyOf<{ trustee: number; partials: { list: number; blob: string }[] }>(entry),
    );
    const byContest: { answers: (Answer | null)[]; weight: number }[][] = this.manifest.contests.map(() => []);
    for (const { number, contest, weight, rows } of lists) {
      const context = decryptionContext(this.electionHash, number);
      const parts: PartialDecryption[] = [];
      for (const { trustee, partials } of decrypted) {
        const named = partials.find(({ list }) => list === number);
        if (!named) throw new Malformed(`trustee ${trustee} left out list ${number}`);
        const part = decodePartial(await this.#blob(named.blob));
        if (part.trustee !== trustee || !partialHolds(this.keys, context, rows, part)) {
          throw new Malformed(`trustee ${trustee} decrypted list ${number} wrongly`);
        }
        parts.push(part);
        await pause();
      }
      const answers = combine(this.keys, rows, parts).map((message) =>
        answerOf(this.manifest.contests[contest]!, message),
      );
      byContest[contest]!.push({ answers, weight });
    }
    const names = decrypted.map(({ trustee }) => this.manifest.trustees.names[trustee - 1]);
    await this.#told({ what: "Decryption", how: `by ${names.join(", ")}; every part proven` });
    return byContest;
  }

  #weights(): number[] {
    return this.manifest.issuers.map(({ weight }) => weight);
  }

  #of(command: string) {
    return this.#record.entries.filter((entry) => entry.command === command);
  }

  async #blob(hash: string): Promise<Uint8Array> {
    const kept = this.#blobs.get(hash);
    if (kept) return kept;
    const path = `/api/v1/public/elections/${this.#electionId}/blobs/${hash}`;
    const bytes = await askBytes(path, { anonymous: true });
    if (toHex(sha256(bytes)) !== hash) throw new Malformed(`the bytes of ${hash.slice(0, 16)}… are others than the board names`);
    this.#blobs.set(hash, bytes);
    return bytes;
  }
}

/** What a ceremony's transcripts begin with. */
export function ceremonyContext(electionId: string, attempt: number): Uint8Array<ArrayBuffer> {
  const head = text("holdfast/ceremony/v1\n");
  const id = fromHex(electionId.replaceAll("-", ""));
  return Uint8Array.from([...head, ...id, attempt >>> 8, attempt & 255]);
}

function ballotOf(encoded: string): Ballot {
  return decodeBallot(fromBase64(encoded));
}

/** Whatever is not written exactly as an answer is no vote. */
function answerOf(body: ContestBody, message: Parameters<typeof extract>[1]): Answer | null {
  try {
    return extract(contestOf(body), message);
  } catch (error) {
    if (error instanceof NoAnswer) return null;
    throw error;
  }
}

const TOKENS_IN_A_PROOF = 65_536;

function redeemed(issuer: Uint8Array, own: BallotBody[], multiples: Uint8Array, proofs: Uint8Array[]): void {
  const DST = "HashToGroup-OPRFV1-\u0001-ristretto255-SHA512";
  const one = Uint8Array.from({ length: 32 }, (_, at) => (at === 0 ? 1 : 0));
  const items = own.map(({ voter }, at) => {
    const input = fromHex(voter);
    const blinded = ristretto255_hasher.hashToCurve(input, { DST }).toBytes();
    return { input, blind: one, blinded, evaluated: multiples.slice(32 * at, 32 * (at + 1)) };
  });
  proofs.forEach((proof, at) => {
    const from = at * TOKENS_IN_A_PROOF;
    const some = items.slice(from, from + TOKENS_IN_A_PROOF);
    // Blinded with 1: the proof is about the inputs themselves, and what comes out are the tokens.
    const outputs = ristretto255_oprf.voprf.finalizeBatch(some, issuer, proof);
    outputs.forEach((output, token) => {
      if (!equal(output, fromHex(own[from + token]!.token))) throw new Malformed("a token is not the issuer’s");
    });
  });
  if (proofs.length !== Math.ceil(own.length / TOKENS_IN_A_PROOF)) throw new Malformed("not every token is proven");
}

/** Lets the page draw, and keeps it from being stopped as unresponsive. */
export function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}
