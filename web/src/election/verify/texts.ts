// Texts of a definition, by language: whoever shows them need not fear what stands in them.

import { Malformed, text as bytesOf } from "../../bytes.ts";
import type { Texts } from "../model.ts";

const LANGUAGES_MAX = 20;
const TEXT_BYTES_MAX = 4000;

/** Refuses texts of fewer than `least` languages, or too many, or such as no definition holds, or in another order. */
export function checkTexts(what: string, texts: Texts, least: 0 | 1): void {
  const all = Object.entries(texts);
  const fit = all.every(([language, text]) => isTag(language) && isPlain(text));
  if (!fit || all.length < least || all.length > LANGUAGES_MAX) {
    throw new Malformed(`${what}: texts are in ${least} to ${LANGUAGES_MAX} languages, each of at most ${TEXT_BYTES_MAX} bytes`);
  }
  const sorted = all.every(([language], at) => at === 0 || all[at - 1]![0] < language);
  if (!sorted) throw new Malformed(`${what}: its languages are not in their order`);
}

function isTag(language: string): boolean {
  return /^[A-Za-z][A-Za-z0-9-]{0,34}$/.test(language);
}

/** Lines of text, without any other control characters. */
function isPlain(text: string): boolean {
  return text !== "" && bytesOf(text).length <= TEXT_BYTES_MAX && !/\p{Cc}/u.test(text.replaceAll("\n", ""));
}
