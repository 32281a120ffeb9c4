// Can there be such an election? The limits are those of the server, which takes no other definition: whoever checks a
// board and believed a manifest that says otherwise would, with no mixers for example, see nothing missing.

import { Malformed, text } from "../../bytes.ts";
import { places, width } from "../../mixnet/contest.ts";
import { type ContestBody, type Texts, contestOf } from "../model.ts";
import { checkTexts } from "./texts.ts";

const CONTESTS_MAX = 50;
const WEIGHTS_MAX = 8;
const WEIGHT_MAX = 1_000_000;
const MIXERS_MAX = 10;
const OPTIONS_MAX = 200;
const SCORE_MAX = 250;
const WRITE_IN_BYTES_MAX = 240;
const TRUSTEES_MAX = 100;
/** Bytes of all ballots of a voter together. */
const BALLOTS_BYTES_MAX = 32_000;
/** Bytes of the whole, as JSON: it is one entry of the board, escaped once more. */
const DEFINITION_BYTES_MAX = 24_000;

/** As in 2026-01-31T12:00:00.000Z: whole years have four digits. */
const TIME_LENGTH = 24;

interface Definition {
  title: Texts;
  description: Texts;
  opensAt: string | null;
  closesAt: string | null;
  secret: boolean;
  mixers: number;
  contests: ContestBody[];
  issuers: { weight: number }[];
}

function within(value: number, least: number, most: number): boolean {
  return least <= value && value <= most;
}

/** Refuses a manifest that no definition becomes. */
export function checkDefinition(definition: Definition): void {
  const { title, description, mixers, contests, issuers } = definition;
  checkTexts("title", title, 1);
  checkTexts("description", description, 0);
  if (!within(mixers, 1, MIXERS_MAX)) throw new Malformed(`an election is mixed 1 to ${MIXERS_MAX} times`);
  if (!within(contests.length, 1, CONTESTS_MAX)) throw new Malformed(`an election has 1 to ${CONTESTS_MAX} contests`);
  checkTimes(definition);
  const weights = new Set(issuers.map(({ weight }) => weight));
  const fit = issuers.every(({ weight }) => within(weight, 1, WEIGHT_MAX));
  if (!fit || weights.size !== issuers.length || !within(weights.size, 1, WEIGHTS_MAX)) {
    throw new Malformed(`weights are 1 to ${WEIGHTS_MAX} different numbers from 1 to ${WEIGHT_MAX}`);
  }
  checkIds(contests.map(({ contestId }) => contestId));
  contests.forEach(checkContest);
  // A row, its commitment and its response.
  const bytes = contests.reduce((sum, contest) => sum + 65 + 64 * width(contestOf(contest)), 0);
  if (bytes > BALLOTS_BYTES_MAX) throw new Malformed(`a ballot would be longer than ${BALLOTS_BYTES_MAX} bytes`);
  checkLength(definition);
}

function checkTimes({ opensAt, closesAt }: Definition): void {
  for (const at of [opensAt, closesAt]) {
    if (at !== null && !isTime(at)) throw new Malformed("the election opens or closes at no time");
  }
  if (opensAt !== null && closesAt !== null && !(Date.parse(opensAt) < Date.parse(closesAt))) {
    throw new Malformed("the election closes before it opens");
  }
}

/** A time as servers write it: in UTC, with milliseconds. */
function isTime(at: string): boolean {
  const parsed = Date.parse(at);
  return parsed >= 0 && at.length === TIME_LENGTH && new Date(parsed).toISOString() === at;
}

/** A definition is what the officers wrote: without the trustees, and with the weights alone of the issuers. */
function checkLength({ title, description, opensAt, closesAt, secret, mixers, contests, issuers }: Definition): void {
  const weights = issuers.map(({ weight }) => weight);
  const written = { title, description, opensAt, closesAt, secret, weights, mixers, contests };
  if (text(JSON.stringify(written)).length > DEFINITION_BYTES_MAX) {
    throw new Malformed(`the definition is longer than ${DEFINITION_BYTES_MAX} bytes`);
  }
}

function checkContest(contest: ContestBody): void {
  const { contestId, form, count, seats, options, writeInBytesMax } = contest;
  const refuse = (why: string): never => {
    throw new Malformed(`contest ${contestId}: ${why}`);
  };
  checkTexts(`contest ${contestId}`, contest.title, 1);
  for (const option of options) checkTexts(`option ${option.optionId}`, option.title, 1);
  checkIds(options.map(({ optionId }) => optionId));
  if (!within(options.length, 1, OPTIONS_MAX)) refuse(`1 to ${OPTIONS_MAX} options are possible`);
  if (writeInBytesMax > WRITE_IN_BYTES_MAX) refuse("a name that is written in cannot be that long");
  const most = places(contestOf(contest));
  const marked =
    form.kind === "approval"
      ? within(form.approvalsMax, 1, most)
      : form.kind === "score"
        ? within(form.scoreMax, 1, SCORE_MAX)
        : form.kind === "plurality" || within(form.ranksMax, 1, most);
  if (!marked) refuse("it cannot be marked so");
  const counted =
    form.kind === "ranked" ? count === "schulze" || (count !== "most" && !form.sharedRanks) : count === "most";
  if (!counted) refuse("this way to count does not fit its form");
  const several = ["most", "stv-scottish", "stv-meek"].includes(count);
  if (!within(seats, 1, several ? most : 1)) refuse("the number of seats does not fit");
}

function checkIds(ids: string[]): void {
  const wrong = ids.find((id) => !/^[A-Za-z0-9_-]{1,64}$/.test(id));
  if (wrong !== undefined) throw new Malformed(`“${wrong.slice(0, 64)}” is no identifier`);
  if (new Set(ids).size !== ids.length) throw new Malformed("an identifier is there twice");
}

/** Refuses trustees of whom one alone could decrypt, or not even all together could. */
export function checkQuorum(threshold: number, trustees: number): void {
  if (!within(trustees, 1, TRUSTEES_MAX)) throw new Malformed(`1 to ${TRUSTEES_MAX} trustees are possible`);
  if (threshold !== trustees && !within(threshold, Math.max(2, Math.floor(trustees / 2) + 1), trustees - 1)) {
    throw new Malformed(`${threshold} of ${trustees} trustees cannot keep a key`);
  }
}
