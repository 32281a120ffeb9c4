// Marking a contest: its fields, what they say, and an answer in words.

import type { Answer, Marks, NoAnswer } from "../mixnet/contest.ts";
import { h } from "../page/dom.ts";
import { type Choice, choices, textInput } from "../page/form.ts";
import { type ContestBody, said } from "./model.ts";

const WRITE_IN = "write-in";

/** The places of a contest by their names; one that may be written in is the last. */
export function placesOf(body: ContestBody): string[] {
  const options = body.options.map(({ title }) => said(title));
  return body.writeInBytesMax > 0 ? [...options, "Somebody else"] : options;
}

/** The fields of a contest, filled in as it was answered before. */
export function markFields(body: ContestBody, answer?: Answer): HTMLElement {
  const places = placesOf(body);
  const { form } = body;
  if (form.kind === "plurality" || form.kind === "approval") {
    const all: Choice[] = places.map((label, at) => ({ value: String(at), label, chosen: isMarked(answer?.marks, at) }));
    const last = all.at(-1);
    if (body.writeInBytesMax > 0 && last) last.more = writeIn(body, answer);
    const kind = form.kind === "plurality" ? "radios" : "checkboxes";
    const none: Choice[] =
      kind === "radios" ? [{ value: "none", label: "None of these", chosen: answer !== undefined && isNone(answer.marks) }] : [];
    return choices(kind, { id: "marks", label: said(body.title), hint: hintOf(body), heading: true }, [...all, ...none]);
  }
  const rows = places.map((label, at) => {
    const id = `mark-${at}`;
    const field = h("select", { class: "govuk-select", id, name: id }, levels(body, markAt(answer?.marks, at)));
    return h("div", { class: "mark-row" }, h("label", { class: "govuk-label", for: id }, label), field);
  });
  const legend = h(
    "legend",
    { class: "govuk-fieldset__legend govuk-fieldset__legend--l" },
    h("h1", { class: "govuk-fieldset__heading" }, said(body.title)),
  );
  const hint = h("div", { class: "govuk-hint" }, hintOf(body));
  const set = h("fieldset", { class: "govuk-fieldset" }, legend, hint, rows, body.writeInBytesMax > 0 && writeIn(body, answer));
  return h("div", { class: "govuk-form-group", "data-group": "marks" }, set);
}

function writeIn(body: ContestBody, answer?: Answer): HTMLElement {
  const hint = `At most ${body.writeInBytesMax} letters.`;
  return textInput({ id: WRITE_IN, label: "Name of somebody else", hint, value: answer?.["write-in"] ?? "", width: 20 });
}

function hintOf({ form }: ContestBody): string {
  switch (form.kind) {
    case "plurality":
      return "Choose one.";
    case "approval":
      return form.approvalsMax === 1 ? "Choose up to one." : `Choose up to ${form.approvalsMax}.`;
    case "score":
      return `Give each as many points as you like, up to ${form.scoreMax}. No points given is not the same as nought.`;
    case "ranked":
      return form.sharedRanks
        ? "Give your favourite the rank 1, the next 2 and so on. Several may share a rank; leave out whom you like."
        : "Give your favourite the rank 1, the next 2 and so on. Leave out whom you like.";
  }
}

function levels({ form }: ContestBody, chosen: number | null): HTMLElement[] {
  const ranked = form.kind === "ranked";
  const [first, last] = ranked ? [1, form.ranksMax] : [0, form.kind === "score" ? form.scoreMax : 0];
  const numbers = Array.from({ length: last - first + 1 }, (_, at) => first + at);
  const none = h("option", { value: "", selected: chosen === null }, ranked ? "No rank" : "No points");
  return [none, ...numbers.map((number) => h("option", { value: number, selected: number === chosen }, number))];
}

function markAt(marks: Marks | undefined, at: number): number | null {
  if (!marks) return null;
  if ("score" in marks) return marks.score[at] ?? null;
  return "ranked" in marks ? (marks.ranked[at] ?? null) : null;
}

function isMarked(marks: Marks | undefined, at: number): boolean {
  if (!marks) return false;
  if ("plurality" in marks) return marks.plurality === at;
  return "approval" in marks && marks.approval[at] === true;
}

function isNone(marks: Marks): boolean {
  return "plurality" in marks && marks.plurality === null;
}

/** What the fields say. */
export function marksFrom(body: ContestBody, values: FormData): Answer {
  const count = placesOf(body).length;
  const { form } = body;
  const number = (value: FormDataEntryValue | null) => (value === null || value === "" ? null : Number(value));
  const each = () => Array.from({ length: count }, (_, at) => number(values.get(`mark-${at}`)));
  const chosen = values.getAll("marks").map(String);
  const marks: Marks =
    form.kind === "plurality"
      ? { plurality: chosen[0] === undefined || chosen[0] === "none" ? null : Number(chosen[0]) }
      : form.kind === "approval"
        ? { approval: Array.from({ length: count }, (_, at) => chosen.includes(String(at))) }
        : form.kind === "score"
          ? { score: each() }
          : { ranked: each() };
  const written = String(values.get(WRITE_IN) ?? "").trim();
  const last = body.writeInBytesMax > 0 && (isMarked(marks, count - 1) || markAt(marks, count - 1) !== null);
  return last ? { marks, "write-in": written } : { marks };
}

/** Why an answer cannot be taken, as a voter would say it. */
export function described(body: ContestBody, error: NoAnswer): string {
  const { form } = body;
  if (error.message.includes("written in")) return "Write in a name, shorter and without special characters";
  if (form.kind === "approval") return `Choose at most ${form.approvalsMax}`;
  if (error.message.includes("share the rank")) return "Give each rank once";
  if (error.message.includes("nothing has the rank")) return "Do not leave out a rank: begin with 1 and count on";
  return error.message;
}

/** An answer in words, a line for each mark, the best first. */
export function inWords(body: ContestBody, { marks, ...answer }: Answer): string[] {
  const written = answer["write-in"];
  const places = placesOf(body);
  const name = (at: number) => (at === body.options.length ? `${written} (written in)` : (places[at] ?? "?"));
  const lines =
    "plurality" in marks
      ? marks.plurality === null
        ? []
        : [name(marks.plurality)]
      : "approval" in marks
        ? marks.approval.flatMap((yes, at) => (yes ? [name(at)] : []))
        : "score" in marks
          ? marks.score
              .flatMap((score, at) => (score === null ? [] : [{ score, at }]))
              .sort((one, other) => other.score - one.score)
              .map(({ score, at }) => `${score}: ${name(at)}`)
          : marks.ranked
              .flatMap((rank, at) => (rank === null ? [] : [{ rank, at }]))
              .sort((one, other) => one.rank - other.rank)
              .map(({ rank, at }) => `${rank}. ${name(at)}`);
  return lines.length > 0 ? lines : ["Nothing marked"];
}
