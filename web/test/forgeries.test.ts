// Boards that a lying server could sign, each made from the record of an honest election. Each must be refused, and for
// what is wrong with it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Forged, damaged, file, refused } from "./recorded.ts";

interface Verdicts {
  from: number;
  to: number;
  votes: number;
  refused: { index: number; reason: string }[];
}

interface Counted {
  decryptedBy: number[];
  lied: number[];
  absent: number[];
  answers: { list: number; blob: string }[];
}

/** The same object, its members the other way round. */
function reordered(body: Uint8Array): Uint8Array {
  const turned = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(turned);
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(Object.entries(value).reverse().map(([name, member]) => [name, turned(member)]));
  };
  return new TextEncoder().encode(JSON.stringify(turned(JSON.parse(new TextDecoder().decode(body)))));
}

// What has its place, and in which order.

refused("a board without `decrypting`", (board) => board.drop(board.at("decrypting")), /“election\/decrypted” has no place before all is mixed/);
refused("a board that says `decrypting` twice", (board) => board.add("decrypting", board.body(board.at("decrypting")), board.at("decrypting") + 1), /“election\/decrypting” has no place while trustees decrypt/);
refused("a tally without `redeemed`", (board) => board.drop(board.at("redeemed")), /not proven the tokens of every weight/);
refused("a tally with `redeemed` twice", (board) => board.add("redeemed", board.body(board.at("redeemed")), board.at("decrypting")), /proven twice/);
refused("`redeemed` after `decrypting`", (board) => board.add("redeemed", board.body(board.at("redeemed")), board.at("decrypting") + 1), /“election\/redeemed” has no place while trustees decrypt/);
refused("a mix after `decrypting`", (board) => board.move(board.at("mixed", 3), board.at("decrypting")), /not every list was mixed as often/);
refused("a mix before the voting is closed", (board) => board.move(board.at("mixed"), board.at("closed")), /“election\/mixed” has no place before the voting is closed/);
refused("a vote after the closing", (board) => {
  board.change<Verdicts>(board.at("verdicts"), (body) => void ((body.to -= 1), (body.votes -= 1)));
  board.move(board.at("ballot", -1), board.at("closed"));
}, /“election\/ballot” has no place before all is mixed/);
refused("a vote before the opening", (board) => board.move(board.at("ballot"), board.at("opened")), /“election\/ballot” has no place before the voting is closed/);
refused("a voting that is opened twice", (board) => board.add("opened", {}, board.at("opened") + 1), /“election\/opened” has no place/);
refused("a voting that opens again", (board) => board.add("opened", {}, board.at("closed") + 1), /“election\/opened” has no place before all is mixed/);
refused("a verdict after the tally began", (board) => board.add("verdicts", { from: 0, to: 1, votes: 0, refused: [] }, board.at("mixed") + 1), /“election\/verdicts” has no place/);
refused("an unknown event", (board) => board.add("king", {}, board.at("closed")), /no entry of the kind “election\/king”/);
refused("an event with a member that it does not have", (board) => board.change<Record<string, unknown>>(board.at("closed"), (body) => (body["more"] = 1)), /its body is not that of “election\/closed”/);
refused("an event whose members stand in another order", (board) => board.entries[board.at("closed")]!.body = reordered(board.entries[board.at("closed")]!.body), /its body is not that of “election\/closed”/);
refused("an event that is no JSON", (board) => void (board.entries[board.at("closed")]!.body = new Uint8Array([255])), /entry 25: its body is no JSON/);
refused("an event that says a member twice", (board) => void (board.entries[board.at("closed")]!.body = new TextEncoder().encode('{"issued":[],"issued":[{"weight":1,"issued":5}]}')), /its body is not that of “election\/closed”/);
refused("a vote that is not secret among votes that are, and refused", (board) => {
  board.add("open-ballot", { voter: "00".repeat(32), weight: 1, salt: "00".repeat(16), answers: [] }, board.at("verdicts"));
  const place = board.at("open-ballot");
  board.change<Verdicts>(board.at("verdicts"), (body) => void ((body.to += 1), (body.votes += 1), body.refused.push({ index: place, reason: "malformed" })));
}, /“election\/open-ballot” has no place/);
refused("a vote that is not secret among votes that are", (board) => board.add("open-ballot", { voter: "00".repeat(32), weight: 1, salt: "00".repeat(16), answers: [] }, board.at("closed")), /“election\/open-ballot” has no place/);
refused("a result that is published before the count", (board) => board.move(board.at("published"), board.at("counted")), /“election\/published” has no place while trustees decrypt/);
refused("a second count", (board) => board.add("counted", board.body(board.at("counted")), board.at("published")), /after the count it has no place/);
refused("something after the end", (board) => board.add("published", {}), /the election is over/);
refused("an election that is abandoned after its count", (board) => board.add("abandoned", {}, board.at("published")), /after the count it has no place/);
refused("something after an election was abandoned", (board) => board.add("abandoned", {}, board.at("closed")), /abandoned, and something follows/);
refused("an empty board", (board) => {
  const election = board.election();
  board.election = () => election;
  board.end(0);
}, /nothing on this board/);
refused("a board that begins with its definition", (board) => board.drop(...board.all("ceremony"), ...board.all("said")), /has a ceremony/);
refused("an entry in another's place", (board) => void (board.entries[20]!.index = 21), /entry 20: it says that it is entry 21/);
refused("a time that goes back", (board) => void (board.entries[20]!.at = 0), /entry 20: its time goes back/);
refused("a time that tells the second", (board) => void (board.entries.at(-1)!.at += 1000), /not cut to the minute/);
refused("an entry that names who voted", (board) => void (board.entries[20]!.actor = "person/ada"), /entry 20: it names somebody/);
refused("an entry about somebody", (board) => void (board.entries[20]!.subject = new Uint8Array(1)), /entry 20: it names somebody/);

// What was decided.

refused("an election without mixers", (board) => board.manifest((manifest) => void (manifest.mixers = 0)), /is mixed 1 to 10 times/);
refused("an election with too many mixers", (board) => board.manifest((manifest) => void (manifest.mixers = 11)), /is mixed 1 to 10 times/);
refused("an election with fewer mixers than mixed", (board) => board.manifest((manifest) => void (manifest.mixers = 1)), /vote 18 is confirmed, but its voter did not sign it/);
refused("another protocol", (board) => board.manifest((manifest) => void (manifest.protocol = "holdfast election 2")), /of another protocol/);
refused("a manifest of other trustees", (board) => board.manifest((manifest) => void (manifest.trustees.names[0] = "Mallory")), /other trustees than made the key/);
refused("a manifest of another threshold", (board) => board.manifest((manifest) => void (manifest.trustees.threshold = 1)), /other trustees than made the key/);
refused("a manifest of another attempt", (board) => board.manifest((manifest) => void (manifest.attempt = 2)), /other trustees than made the key/);
refused("a manifest of other keys", (board) => board.manifest((manifest) => void (manifest.keys = `${manifest.keys.slice(0, -2)}00`)), /keys are not those that the trustees made/);
refused("a manifest with a weight twice", (board) => board.manifest((manifest) => void manifest.issuers.push(manifest.issuers[0]!)), /weights are 1 to 8 different numbers/);
refused("a manifest without contests", (board) => board.manifest((manifest) => void (manifest.contests = [])), /1 to 50 contests/);
refused("a contest of more seats than options", (board) => board.manifest((manifest) => void (manifest.contests[0]!.seats = 9)), /the number of seats does not fit/);
refused("a manifest that says more than it may", (board) => board.manifest((manifest) => void Object.assign(manifest, { more: 1 })), /not that of an election with votes that are secret/);
refused("a manifest that calls its votes not secret", (board) => board.manifest((manifest) => void Object.assign(manifest, { secret: false })), /not that of an election with votes that are not secret/);

refused("a manifest without a title", (board) => board.manifest((manifest) => void (manifest.title = {})), /title: texts are in 1 to 20 languages/);
refused("a manifest with an empty title", (board) => board.manifest((manifest) => void (manifest.title["en"] = "")), /title: texts are in 1 to 20 languages/);
refused("a manifest in a language that is none", (board) => board.manifest((manifest) => void (manifest.description = { "e n": "x" })), /description: texts are in 0 to 20 languages/);
refused("a manifest in a language that is a number", (board) => board.manifest((manifest) => void (manifest.title["1"] = "x")), /title: texts are in 1 to 20 languages/);
refused("a manifest in too many languages", (board) => board.manifest((manifest) => void (manifest.description = Object.fromEntries(Array.from({ length: 21 }, (_, at) => [`x${at}`, "x"])))), /description: texts are in 0 to 20 languages/);
refused("a manifest with a text that is too long", (board) => board.manifest((manifest) => void (manifest.description = { en: "ü".repeat(2001) })), /description: texts are in 0 to 20 languages, each of at most 4000 bytes/);
refused("a contest with control characters", (board) => board.manifest((manifest) => void (manifest.contests[0]!.title = { en: "a\u0085b" })), /contest mayor: texts are in 1 to 20 languages/);
refused("an option without a title", (board) => board.manifest((manifest) => void (manifest.contests[0]!.options[0]!.title = {})), /option ada: texts are in 1 to 20 languages/);
refused("a manifest with half a character", (board) => board.manifest((manifest) => void (manifest.title["en"] = "\ud800")), /not that of an election/);
refused("a manifest that is longer than an entry may be", (board) => board.manifest((manifest) => void (manifest.description = Object.fromEntries(Array.from({ length: 6 }, (_, at) => [`x${at}`, "x".repeat(4000)])))), /longer than 24000 bytes/);
refused("a manifest that opens at no time", (board) => board.manifest((manifest) => void (manifest.opensAt = "2026-01-01")), /opens or closes at no time/);
refused("a manifest that closes before it opens", (board) => board.manifest((manifest) => void ([manifest.opensAt, manifest.closesAt] = ["2026-01-02T00:00:00.000Z", "2026-01-01T00:00:00.000Z"])), /closes before it opens/);
refused("an election whose identifier is written in upper case", (board) => {
  board.change<{ election: string }>(0, (body) => void (body.election = body.election.toUpperCase()));
  board.manifest((manifest) => void (manifest.electionId = manifest.electionId.toUpperCase()));
}, /its body is not that of “election\/ceremony”/);
refused("a manifest whose members stand in another order", (board) => board.manifest((manifest) => {
  const { protocol, ...others } = manifest;
  Object.keys(manifest).forEach((name) => delete (manifest as Partial<typeof manifest>)[name as keyof typeof manifest]);
  Object.assign(manifest, others, { protocol });
}), /not that of an election/);
refused("a contest whose members stand in another order", (board) => board.manifest((manifest) => {
  const { contestId, ...others } = manifest.contests[0]!;
  manifest.contests[0] = { ...others, contestId };
}), /not that of an election/);
refused("a manifest whose languages are not in their order", (board) => board.manifest((manifest) => void (manifest.title = { fr: "x", en: "x" })), /title: its languages are not in their order/);
refused("a manifest without a member", (board) => board.manifest((manifest) => void delete (manifest.contests[0] as { seats?: number }).seats), /not that of an election/);
refused("a manifest with a time without milliseconds", (board) => board.manifest((manifest) => void (manifest.opensAt = "2026-01-31T12:00:00Z")), /opens or closes at no time/);
refused("a manifest with keys in upper case", (board) => board.manifest((manifest) => void (manifest.keys = manifest.keys.toUpperCase())), /keys are not those that the trustees made/);
refused("a manifest that says a member twice", (board) => board.change<{ manifest: string }>(board.at("defined"), (body) => void (body.manifest = body.manifest.replace('"mixers":2', '"mixers":1,"mixers":2'))), /not written as it must be/);

// The ceremony.

refused("a trustee who says something twice", (board) => board.add("said", board.body(board.at("said")), board.at("said") + 1), /said their transport-key twice/);
refused("a key that a trustee did not approve", (board) => board.drop(board.at("said", -1)), /never said their approval/);
refused("a key of which a trustee complained", (board) => board.add("said", { attempt: 1, trustee: 1, step: "complaint", bytes: "" }, board.at("defined")), /complained, and the ceremony went on/);
refused("a stranger in the ceremony", (board) => board.add("said", { attempt: 1, trustee: 4, step: "approval", bytes: "" }, board.at("defined")), /nobody who takes part/);
refused("an attempt that is not numbered on", (board) => board.change<{ attempt: number }>(0, (body) => void (body.attempt = 2)), /begins out of order/);
refused("an attempt that begins before the last one ended", (board) => board.add("ceremony", { ...board.body<object>(0), attempt: 2 }, 1), /no place before all is decided/);
refused("a definition after a void ceremony", (board) => board.add("void", { attempt: 1, faults: [] }, board.at("defined")), /has a ceremony/);
refused("a ceremony for another election", (board) => board.change<{ election: string }>(0, (body) => void (body.election = body.election.replace(/.$/, "0"))), /for another election/);
refused("an opening that was not fixed", (board) => board.change<{ bytes: string }>(board.at("said", 3), (body) => void (body.bytes = damaged(body.bytes))), /did not keep to the ceremony: opening/);

refused("an opening before all have fixed theirs", (board) => board.move(board.at("said", 6), board.at("said", 5)), /“opening” is said before all have said their “sealed-opening”/);
refused("an approval that says something", (board) => board.change<{ bytes: string }>(board.at("said", -1), (body) => void (body.bytes = "AA==")), /an approval says something/);

// Votes and verdicts.

refused("a vote after the time at which voting was to end", (board) => board.manifest((manifest) => void (manifest.closesAt = new Date(board.entries[board.at("ballot")]!.at).toISOString())), /a vote stands there after the time/);
refused("a vote that is refused for its signature and holds", (board) => board.change<Verdicts>(board.at("verdicts"), (body) => void body.refused.push({ index: 18, reason: "signature" })), /vote 18 is refused \(signature\), but it holds/);
refused("a vote that is refused as malformed and holds", (board) => board.change<Verdicts>(board.at("verdicts"), (body) => void body.refused.push({ index: 18, reason: "malformed" })), /vote 18 is refused \(malformed\), but it holds/);
refused("a vote that is refused for its proof and holds", (board) => board.change<Verdicts>(board.at("verdicts"), (body) => void body.refused.push({ index: 18, reason: "proof" })), /vote 18 is refused \(proof\), but it holds/);
refused("a vote that is confirmed and not signed", (board) => board.change<{ signature: string }>(board.at("ballot"), (body) => void (body.signature = `00${body.signature.slice(2)}`)), /is confirmed, but its voter did not sign it/);
refused("a vote that is confirmed with another ballot", (board) => board.change<{ ballots: string[] }>(board.at("ballot"), (body) => void body.ballots.reverse()), /is confirmed, but its voter did not sign it/);
refused("a ballot that is repeated", (board) => {
  const vote = board.body(board.at("ballot", 4));
  board.add("ballot", vote, board.at("verdicts"));
}, /a vote stands there twice/);
refused("a vote of which nothing is said", (board) => board.change<Verdicts>(board.at("verdicts"), (body) => void ((body.to -= 1), (body.votes -= 1))), /of 1 votes nothing was said/);
refused("a board without verdicts", (board) => board.drop(board.at("verdicts")), /of 6 votes nothing was said/);
refused("a verdict that miscounts", (board) => board.change<Verdicts>(board.at("verdicts"), (body) => void (body.votes = 5)), /another number of votes/);
refused("verdicts about the same votes again", (board) => board.add("verdicts", { from: 23, to: 24, votes: 1, refused: [] }, board.at("closed")), /checked before/);
refused("verdicts about what is yet to come", (board) => board.change<Verdicts>(board.at("verdicts"), (body) => void (body.to = 30)), /about no entries/);
refused("a refusal of what is no vote", (board) => board.change<Verdicts>(board.at("verdicts"), (body) => void body.refused.push({ index: 3, reason: "proof" })), /no vote, or twice/);
refused("a vote that is refused twice", (board) => board.change<Verdicts>(board.at("verdicts"), (body) => void body.refused.push({ index: 18, reason: "token" }, { index: 18, reason: "token" })), /no vote, or twice/);

// Tokens.

/** Every vote refused for its token: nothing is left to mix, and nobody's vote counts. */
function refuseAll(board: Forged): void {
  const votes = board.all("ballot");
  board.change<Verdicts>(board.at("verdicts"), (body) => void (body.refused = votes.map((index) => ({ index, reason: "token" }))));
  const empty = board.serve(new Uint8Array());
  board.change<object>(board.at("redeemed"), (body) => Object.assign(body, { tokens: 0, multiples: empty, proofs: [] }));
  board.change<{ lists: unknown[] }>(board.at("decrypting"), (body) => void (body.lists = []));
  board.drop(...board.all("mixed"));
}

refused("a board where every vote is refused for its token", refuseAll, /not proven that the refused tokens are none of its own/);
/** Proofs about so many of the refused tokens, from one on: none of them can hold. */
function proveRefused(board: Forged, first: number, tokens: number): void {
  const { proofs } = new Forged().body<{ proofs: string[] }>(new Forged().at("redeemed"));
  const multiples = board.serve(new Uint8Array(32 * tokens));
  board.add("refused-tokens", { weight: 1, first, tokens, multiples, proof: proofs[0] }, board.at("redeemed"));
}

refused("a board where some refused tokens are said to be proven", (board) => {
  refuseAll(board);
  proveRefused(board, 0, 5);
}, /other tokens are proven than were refused/);
refused("a board where proofs about refused tokens begin in their middle", (board) => {
  refuseAll(board);
  proveRefused(board, 1, 5);
}, /do not follow one another/);
refused("a board where the proof about refused tokens is one about something else", (board) => {
  refuseAll(board);
  proveRefused(board, 0, 6);
}, /proof about tokens does not hold/);
interface RefusedTokens {
  weight: number;
  first: number;
  tokens: number;
}

const part = (change: (body: RefusedTokens) => void) => (board: Forged) => board.change<RefusedTokens>(board.at("refused-tokens", -1), change);

refused("a board without the proof about the refused tokens of one weight", (board) => board.drop(board.at("refused-tokens", -1)), /not proven that the refused tokens are none of its own/, "town");
refused("a board that proves the refused tokens of one weight twice", (board) => board.add("refused-tokens", board.body(board.at("refused-tokens", -1)), board.at("decrypting")), /do not follow one another/, "town");
refused("a proof about refused tokens that begins in their middle", part((body) => void (body.first = 1)), /do not follow one another/, "town");
refused("a proof about more refused tokens than there are", part((body) => void (body.tokens += 1)), /other tokens are proven/, "town");
refused("a proof about the refused tokens of another weight", part((body) => void ([body.weight, body.first] = [1, 2])), /other tokens are proven/, "town");
refused("a board that proves refused tokens where there are none", (board) => proveRefused(board, 0, 1), /no vote of this weight was refused for its token/);
refused("a closing that says of no weight how many tokens were given out", (board) => board.change<{ issued: unknown[] }>(board.at("closed"), (body) => void (body.issued = [])), /entry 25: it does not say once of each weight/);
refused("a closing that counts a weight twice", (board) => board.change<{ issued: unknown[] }>(board.at("closed"), (body) => void body.issued.push(body.issued[0])), /does not say once of each weight/);
refused("a closing that gave out fewer tokens than votes count", (board) => board.change<{ issued: { issued: number }[] }>(board.at("closed"), (body) => void (body.issued[0]!.issued = 4)), /5 votes of weight 1 count, and only 4 tokens/);
refused("a closing that gave out more tokens than voters are on the roll", (board) => board.change<{ issued: { voters: number }[] }>(board.at("closed"), (body) => void (body.issued[0]!.voters = 4)), /more tokens of weight 1 were given out than voters have it/);
refused("a proof about fewer tokens than votes count", (board) => board.change<{ tokens: number }>(board.at("redeemed"), (body) => void (body.tokens = 4)), /5 votes count, and 4 tokens are proven/);
refused("a list of multiples without its proof", (board) => board.change<{ proofs: string[] }>(board.at("redeemed"), (body) => void (body.proofs = [])), /another number of proofs/);

// Mixes.

refused("a tally without its mixes", (board) => board.drop(...board.all("mixed")), /not every list was mixed as often/);
refused("a tally without its last mix", (board) => board.drop(board.at("mixed", -1)), /not every list was mixed as often/);
refused("a mix that is left out", (board) => board.drop(board.at("mixed")), /one after the other/);
refused("a mix by one mixer more than there are", (board) => board.add("mixed", { ...board.body<object>(board.at("mixed", -1)), mixer: 3 }, board.at("decrypting")), /one after the other/);
refused("a mix whose proof is another's", (board) => board.change<{ proof: string }>(board.at("mixed"), (body) => void (body.proof = board.body<{ proof: string }>(board.at("mixed", 1)).proof)), /the proof of mixer 1 for list 0 does not hold/);
refused("a mix that miscounts its rows", (board) => board.change<{ rows: number }>(board.at("mixed"), (body) => void (body.rows = 4)), /another number of votes than went in/);
refused("a decryption of the first mixer's output", (board) => board.change<{ lists: { blob: string }[] }>(board.at("decrypting"), (body) => void (body.lists[0]!.blob = board.body<{ output: string }>(board.at("mixed")).output)), /list 0 is not what the last mixer put out/);
refused("a decryption of one list twice", (board) => board.change<{ lists: unknown[] }>(board.at("decrypting"), (body) => void (body.lists[1] = body.lists[0])), /to be decrypted twice/);
refused("a decryption of fewer lists than were mixed", (board) => board.change<{ lists: unknown[] }>(board.at("decrypting"), (body) => void body.lists.pop()), /not every list was mixed/);

// Parts, and the count.

refused("a trustee who left out a list", (board) => board.change<{ partials: unknown[] }>(board.at("decrypted"), (body) => void body.partials.pop()), /not one of every list/);
refused("a trustee who decrypted one list twice", (board) => board.change<{ partials: unknown[] }>(board.at("decrypted"), (body) => void body.partials.push(body.partials[0])), /not one of every list/);
refused("a trustee who decrypted twice", (board) => board.add("decrypted", board.body(board.at("decrypted")), board.at("counted")), /trustee 1 decrypted twice/);
refused("a part in another trustee's name", (board) => board.change<{ trustee: number }>(board.at("decrypted"), (body) => void (body.trustee = 3)), /what trustee 3 decrypted of list 0 does not hold/);
refused("a trustee whose part is used twice", (board) => board.change<Counted>(board.at("counted"), (body) => void (body.decryptedBy = [1, 1])), /names a trustee twice/);
refused("a count by fewer trustees than it takes", (board) => board.change<Counted>(board.at("counted"), (body) => void (body.decryptedBy = [1])), /fewer trustees decrypted than it takes/);
refused("a count by a trustee of whom nothing came", (board) => board.change<Counted>(board.at("counted"), (body) => void (body.decryptedBy = [1, 3])), /trustee 3 is said to have decrypted, and has not/);
refused("a count that calls a silent trustee a liar", (board) => board.change<Counted>(board.at("counted"), (body) => void ([body.lied, body.absent] = [[3], []])), /names others as having lied, or been absent/);
refused("a count that forgets a silent trustee", (board) => board.change<Counted>(board.at("counted"), (body) => void (body.absent = [])), /names others as having lied, or been absent/);
refused("a part that holds and is called a lie", (board) => {
  const { partials } = board.body<{ partials: object[] }>(board.at("decrypted"));
  board.add("lied", { trustee: 1, partial: partials[0], offence: "" }, board.at("counted"));
}, /trustee 1 is said to have lied, and has not/);
refused("a lie about a list that there is not", (board) => {
  const { partials } = board.body<{ partials: object[] }>(board.at("decrypted"));
  board.add("lied", { trustee: 3, partial: { ...partials[0], list: 7 }, offence: "" }, board.at("counted"));
}, /of whom or of what nothing was asked/);
refused("a lie of somebody who is no trustee", (board) => {
  const { partials } = board.body<{ partials: object[] }>(board.at("decrypted"));
  board.add("lied", { trustee: 4, partial: partials[0], offence: "" }, board.at("counted"));
}, /of whom or of what nothing was asked/);
refused("a count that published other answers", (board) => board.change<Counted>(board.at("counted"), (body) => void (body.answers[0]!.blob = body.answers[1]!.blob)), /the answers of list 0 are not what was decrypted/);
refused("a count that published the answers of one list", (board) => board.change<Counted>(board.at("counted"), (body) => void body.answers.pop()), /of other lists than there are/);
refused("a count that published one list twice", (board) => board.change<Counted>(board.at("counted"), (body) => void (body.answers[1] = body.answers[0]!)), /of other lists than there are/);
refused("a count that left out an answer", (board) => board.change<Counted>(board.at("counted"), (body) => void (body.answers[0]!.blob = board.serve(new TextEncoder().encode("[null]")))), /the answers of list 0 are not what was decrypted/);

/** The published answers of the first list, written otherwise. */
function answersAs(write: (text: string) => string): (board: Forged) => void {
  return (board) => {
    const { answers } = board.body<Counted>(board.at("counted"));
    const written = write(new TextDecoder().decode(file(`blobs/${answers[0]!.blob}`)));
    board.change<Counted>(board.at("counted"), (body) => void (body.answers[0]!.blob = board.serve(new TextEncoder().encode(written))));
  };
}

for (const [old, other] of [[",", ", "], ["}}", '},"write-in":null}'], ["[", "\ufeff["]]) {
  refused(`answers that are written in another way (${other})`, answersAs((text) => text.replace(old!, other!)), /published answers (cannot be read|are not written as they must be)|are not what was decrypted/);
}

// What is honest, and unlike the record.

test("a lie that is one stands on the board, and the count names its trustee", async () => {
  const board = new Forged();
  const { partials } = board.body<{ partials: object[] }>(board.at("decrypted"));
  board.add("lied", { trustee: 3, partial: partials[0], offence: "decrypted wrongly" }, board.at("counted"));
  board.change<Counted>(board.at("counted"), (body) => void ([body.lied, body.absent] = [[3], []]));
  assert.equal((await board.checked()).stage, "published");
});

test("a vote that is refused rightly does not count, and one before it does", async () => {
  const board = new Forged();
  board.end(board.at("closed") + 1);
  const last = board.at("ballot", -1);
  board.change<{ signature: string }>(last, (body) => void (body.signature = "00".repeat(64)));
  board.change<Verdicts>(board.at("verdicts"), (body) => void body.refused.push({ index: last, reason: "signature" }));
  const found: string[] = [];
  assert.equal((await board.checked(found)).stage, "closed");
  assert.deepEqual(found, ["Definition", "Key", "Ballots", "Turnout"]);
});

test("answers may be published in any order", async () => {
  const board = new Forged();
  const { answers } = board.body<Counted>(board.at("counted"));
  const shown = JSON.parse(new TextDecoder().decode(file(`blobs/${answers[0]!.blob}`))) as unknown[];
  const blob = board.serve(new TextEncoder().encode(JSON.stringify(shown.reverse())));
  board.change<Counted>(board.at("counted"), (body) => void (body.answers[0]!.blob = blob));
  assert.equal((await board.checked()).stage, "published");
});

test("a record that ends earlier is checked as far as it goes, and gives nothing to decrypt before it says so", async () => {
  for (const [command, stage] of [["said", "ceremony"], ["opened", "defined"], ["verdicts", "open"], ["mixed", "closed"], ["decrypting", "mixing"]]) {
    const board = new Forged();
    const election = board.election();
    board.end(board.at(command!));
    board.election = () => election;
    const checked = await board.checked();
    assert.deepEqual([checked.stage, checked.lists], [stage, []]);
  }
  const board = new Forged();
  board.end(board.at("decrypting") + 1);
  const checked = await board.checked();
  assert.deepEqual([checked.stage, checked.lists.map(({ number, mixed }) => [number, mixed])], ["decrypting", [[0, 2], [1, 2]]]);
});

test("an election may be abandoned at any time before its count", async () => {
  for (const command of ["said", "opened", "closed", "mixed", "counted"]) {
    const board = new Forged();
    const election = board.election();
    board.end(board.at(command));
    board.add("abandoned", {});
    board.election = () => election;
    assert.equal((await board.checked()).stage, "abandoned");
  }
});
