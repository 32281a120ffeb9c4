// What a check says while it goes on, and how it says what is wrong.

import { Malformed } from "../../bytes.ts";

/** What was found in order, in the order in which it was checked. */
export interface Found {
  what: string;
  how: string;
}

export type Told = (found: Found) => Promise<void>;

/** What is wrong in one entry. */
class WrongEntry extends Malformed {}

/** Has whatever is wrong in this say which entry it is wrong in. */
export async function inEntry<T>(index: number, look: () => T | Promise<T>): Promise<T> {
  try {
    return await look();
  } catch (error) {
    if (error instanceof Malformed && !(error instanceof WrongEntry)) throw new WrongEntry(`entry ${index}: ${error.message}`);
    throw error;
  }
}

/** Lets the page draw, and keeps it from being stopped as unresponsive. */
export function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}
