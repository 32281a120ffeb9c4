// Elections as the API shows them.

import type { Contest } from "../mixnet/contest.ts";

/** Language tag to text. */
export type Texts = Record<string, string>;

export type State =
  | "draft"
  | "ceremony"
  | "ready"
  | "open"
  | "closed"
  | "mixing"
  | "decrypting"
  | "counted"
  | "published"
  | "abandoned";

export type FormBody =
  | { kind: "plurality" }
  | { kind: "approval"; approvalsMax: number }
  | { kind: "score"; scoreMax: number }
  | { kind: "ranked"; ranksMax: number; sharedRanks: boolean };

export type Count = "most" | "instant-runoff" | "stv-scottish" | "stv-meek" | "schulze";

export interface ContestBody {
  contestId: string;
  title: Texts;
  form: FormBody;
  count: Count;
  seats: number;
  writeInBytesMax: number;
  options: { optionId: string; title: Texts }[];
}

export interface Election {
  electionId: string;
  state: State;
  secret: boolean;
  title: Texts;
  description?: Texts;
  opensAt?: string;
  closesAt?: string;
  mixers: number;
  contests: ContestBody[];
  trustees?: { threshold: number; names: string[] };
  issuers?: { weight: number; key: string | null }[];
  electionHash?: string;
  keys?: string;
  key?: string;
  attempt?: number;
  faults?: { trustee: number; offence: string }[];
  board?: { origin: string; size: number; keys: string[] };
  you?: { officer: boolean; trustee: number | null; eligible: boolean; weight: number; tokenIssued: boolean };
}

export interface Turnout {
  state: State;
  eligible: number;
  issued: number;
  issuedByWeight: { weight: number; voters: number; issued: number }[];
  received: number;
  confirmed: number;
  refused: number;
}

/** A contest as ballots of it are encoded. */
export function contestOf(body: ContestBody): Contest {
  const fields = { options: body.options.length };
  const writeIn = body.writeInBytesMax > 0 ? { "write-in-bytes-max": body.writeInBytesMax } : {};
  return { form: formOf(body.form), ...fields, ...writeIn };
}

function formOf(form: FormBody): Contest["form"] {
  switch (form.kind) {
    case "plurality":
      return { plurality: {} };
    case "approval":
      return { approval: { "approvals-max": form.approvalsMax } };
    case "score":
      return { score: { "score-max": form.scoreMax } };
    case "ranked":
      return { ranked: { "ranks-max": form.ranksMax, "shared-ranks": form.sharedRanks } };
  }
}

/** A text in the reader's language, or in the first there is. */
export function said(texts: Texts, languages: readonly string[] = preferred()): string {
  for (const language of languages) {
    const found = texts[language] ?? texts[language.split("-")[0]!];
    if (found !== undefined) return found;
  }
  return Object.values(texts)[0] ?? "";
}

function preferred(): readonly string[] {
  const chosen = sessionStorage.getItem("language");
  return chosen ? [chosen, ...navigator.languages] : navigator.languages;
}
