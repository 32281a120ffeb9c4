// Results that a lying server could publish: each is refused, and so is whatever else the count then says.

import assert from "node:assert/strict";
import { test } from "node:test";
import { text } from "../src/bytes.ts";
import { Blobs } from "../src/election/verify/blobs.ts";
import type { Body } from "../src/election/verify/event.ts";
import { checkResults } from "../src/election/verify/results.ts";
import type { Checked } from "../src/election/verify/walk.ts";
import { Forged, file, refused, serve } from "./recorded.ts";

/** The parts of results that tests change. */
interface Result {
  ballots: number;
  blank: number;
  invalid: number;
  seats: number;
  count: string;
  candidates: object[];
  elected: number[];
  log: Record<string, Log>;
}

interface Log {
  counts: number[];
  tied: number[];
  elected: number[] | number;
  rounds: { votes: (number | null)[]; kept: number[]; surplus: number; "by-lot": boolean }[];
  stages: { votes: number[]; lost: number; elected: number[]; "by-lot": boolean }[];
  quota: number;
  preferred: number[][];
  strongest: number[][];
  order: number[];
  unbeaten: number[];
}

/** By their places in the town’s election. */
const [MAYOR, COLOURS, PARKS, ORDER, BOARD, PANEL, SONG] = [0, 1, 2, 3, 4, 5, 6];
const IDS = ["mayor", "colours", "parks", "order", "board", "panel", "song"];

/** What everything before the count gives, found once: it is the same for all that is changed in the results. */
let honest: Promise<Checked> | undefined;

/** The last step of the check alone, of a board whose results were changed. */
async function counted(board: Forged): Promise<unknown> {
  const { decided, answers } = await (honest ??= new Forged("town").checked());
  serve(null, board.blobs, "town");
  const body = board.body<Body<"election/counted">>(board.at("counted"));
  return checkResults(new Blobs(board.election().electionId), decided!, answers!, body);
}

function miscounted(sentence: string, forge: (board: Forged) => void, says: RegExp): void {
  test(`${sentence} is refused`, async () => {
    const board = new Forged("town");
    forge(board);
    await assert.rejects(counted(board), says);
  });
}

function changed(sentence: string, contest: number, change: (result: Result, log: Log) => void): void {
  const forge = (board: Forged) =>
    board.results<Result>((results) => {
      const result = results[contest]!;
      const before = JSON.stringify(result);
      change(result, Object.values(result.log)[0]!);
      assert.notEqual(JSON.stringify(result), before);
    });
  miscounted(sentence, forge, new RegExp(`the result of “${IDS[contest]}” is not what its answers add up to`));
}

for (const contest of [MAYOR, COLOURS, PARKS, ORDER, BOARD, PANEL, SONG]) {
  changed(`another winner of “${IDS[contest]}”`, contest, (result) => void (result.elected[0] = (result.elected[0]! + 1) % 2));
  changed(`nobody elected in “${IDS[contest]}”`, contest, (result) => void (result.elected = []));
  changed(`one more elected in “${IDS[contest]}”`, contest, (result) => void result.elected.push(1));
  changed(`a log of “${IDS[contest]}” with more in it`, contest, (_, log) => void Object.assign(log, { more: 1 }));
  changed(`another turnout in “${IDS[contest]}”`, contest, (result) => void ((result.ballots += 1), (result.blank += 1)));
}

changed("a vote that is called invalid", MAYOR, (result) => void ((result.blank -= 1), (result.invalid += 1)));
changed("another number of seats", COLOURS, (result) => void (result.seats = 3));
changed("another rule", BOARD, (result) => void (result.count = "stv-meek"));
changed("candidates in another order", MAYOR, (result) => void result.candidates.reverse());
changed("a name that nobody wrote in", MAYOR, (result) => void (result.candidates[2] = { writeIn: "Eve" }));
changed("votes of another weight", MAYOR, (_, log) => void (log.counts[2]! -= 1));
changed("approvals that nobody gave", COLOURS, (_, log) => void (log.counts[2]! += 1));
changed("points that nobody gave", PARKS, (_, log) => void (log.counts[0]! += 1));
changed("a tie where there is none", PARKS, (_, log) => void (log.tied = [0, 1]));
changed("a wrong number in a round", ORDER, (_, log) => void (log.rounds[0]!.votes[0]! += 1));
changed("a round that is left out", ORDER, (_, log) => void log.rounds.shift());
changed("a lot that was not drawn", ORDER, (_, log) => void (log.rounds[0]!["by-lot"] = true));
changed("a wrong quota", BOARD, (_, log) => void (log.quota += 1));
changed("a hundred-thousandth of a vote", BOARD, (_, log) => void (log.stages[1]!.votes[1]! += 1));
changed("a hundred-thousandth of a vote that is lost", BOARD, (_, log) => void (log.stages[1]!.lost -= 1));
changed("a stage that is left out", BOARD, (_, log) => void log.stages.splice(1, 1));
changed("somebody who is elected a stage earlier", BOARD, (_, log) => void log.stages[2]!.elected.push(1));
changed("a billionth of a vote", PANEL, (_, log) => void (log.rounds[3]!.votes[1]! += 1));
changed("a billionth that is kept", PANEL, (_, log) => void (log.rounds[3]!.kept[2]! += 1));
changed("a billionth of a surplus", PANEL, (_, log) => void (log.rounds[1]!.surplus -= 1));
changed("the last round left out", PANEL, (_, log) => void log.rounds.pop());
changed("a preference more", SONG, (_, log) => void (log.preferred[0]![1]! += 1));
changed("a stronger path", SONG, (_, log) => void (log.strongest[0]![2] = 6));
changed("another order", SONG, (_, log) => void log.order.reverse());
changed("somebody unbeaten who was beaten", SONG, (_, log) => void log.unbeaten.push(0));

miscounted("a count without a contest", (board) => board.results((results) => void results.pop()), /results are published of other contests than there are/);
miscounted("a count with a contest twice", (board) => board.results((results) => void results.push(results[0]!)), /of other contests than there are/);
miscounted("a count of contests in another order", (board) => board.results((results) => void results.reverse()), /the result of “mayor” is not/);
miscounted("a count that is another election’s", (board) => board.results((results) => void results.splice(0)), /of other contests than there are/);

/** Has the count name these results. */
function publish(board: Forged, results: (text: string) => string): void {
  board.change<{ results: string }>(board.at("counted"), (body) => {
    body.results = board.serve(text(results(new TextDecoder().decode(file(`blobs/${body.results}`, "town")))));
  });
}

miscounted("a result with spaces in it", (board) => publish(board, (json) => json.replaceAll(",", ", ")), /not written as they must be/);
miscounted("a result whose members are said twice", (board) => publish(board, (json) => json.replace('"blank":3', '"blank":0,"blank":3')), /not written as they must be/);
miscounted("a number that is written otherwise", (board) => publish(board, (json) => json.replace('"ballots":14', '"ballots":14.0')), /not written as they must be/);
miscounted("results that are no JSON", (board) => publish(board, () => "no"), /the results cannot be read/);
miscounted("results that are no list", (board) => publish(board, () => "{}"), /of other contests than there are/);

// The whole of the check says so too.
refused("a board with another winner", (board) => board.results<Result>((results) => void (results[BOARD]!.elected = [1, 0])), /entry \d+: the result of “board” is not/, "town");
refused("a board without the result of a contest", (board) => board.results((results) => void results.pop()), /entry \d+: results are published of other contests/, "town");
refused("a board with a round left out", (board) => board.results<Result>((results) => void results[ORDER]!.log["instant-runoff"]!.rounds.shift()), /entry \d+: the result of “order” is not/, "town");

test("the same record with nothing changed is in order", async () => {
  for (const held of ["council", "town", "poll"] as const) assert.equal((await new Forged(held).checked()).stage, "published");
});
