// How long the booth takes to encrypt a ballot of ten choices, in the browser that runs this.

import { seal } from "../src/election/ballot.ts";
import type { Defined } from "../src/election/defined.ts";
import type { ContestBody, FormBody } from "../src/election/model.ts";
import type { Right } from "../src/election/right.ts";
import type { SecretManifest } from "../src/election/verify/manifest.ts";
import type { Answer } from "../src/mixnet/contest.ts";
import { G, randomScalar, times } from "../src/mixnet/group.ts";
import { encodeKeys } from "../src/mixnet/trustees.ts";
import { toHex } from "../src/bytes.ts";

const TEN = Array.from({ length: 10 }, (_, at) => at);

function contest(number: number, form: FormBody): ContestBody {
  const options = TEN.map((at) => ({ optionId: `o${at}`, title: {} }));
  return { contestId: `c${number}`, title: {}, form, count: "most", seats: 1, writeInBytesMax: 0, options };
}

function election(contests: ContestBody[]): Defined {
  const key = times(G, randomScalar());
  const manifest: SecretManifest = {
    protocol: "",
    electionId: "",
    title: {},
    description: {},
    opensAt: null,
    closesAt: null,
    secret: true,
    mixers: 3,
    contests,
    trustees: { threshold: 1, names: [""] },
    attempt: 1,
    keys: toHex(encodeKeys({ threshold: 1, key, trustees: [key] })),
    issuers: [{ weight: 1, key: "" }],
  };
  return { manifest, electionHash: new Uint8Array(32).fill(0x5a), board: { origin: "", size: 0, keys: [] } };
}

/** Milliseconds that each ballot takes: one question with ten options to tick, and ten questions. */
export function run(ballots: number): { oneQuestion: number[]; tenQuestions: number[] } {
  const right: Right = {
    secretKey: new Uint8Array(32),
    voterKey: new Uint8Array(32).fill(1),
    token: new Uint8Array(64).fill(2),
    weight: 1,
    fresh: false,
  };
  const timed = (election: Defined, answers: Answer[]) =>
    Array.from({ length: ballots }, () => {
      const began = performance.now();
      seal(election, right, 1, answers);
      return performance.now() - began;
    });
  const ticked: Answer = { marks: { approval: TEN.map((at) => at % 2 === 0) } };
  const one = election([contest(0, { kind: "approval", approvalsMax: 10 })]);
  const ten = election(TEN.map((at) => contest(at, { kind: "plurality" })));
  return {
    oneQuestion: timed(one, [ticked]),
    tenQuestions: timed(ten, TEN.map((at) => ({ marks: { plurality: at } }))),
  };
}
