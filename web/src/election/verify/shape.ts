// What JSON must look like: exactly these members, each of its kind. Nothing that is read elsewhere in another way
// gets in.

import { Malformed, fromBase64, toBase64 } from "../../bytes.ts";

export type Shape<T> = (value: unknown) => value is T;
/** What has a shape. */
export type Of<S> = S extends Shape<infer T> ? T : never;

/** Text. Half a character is none, though JSON can say it. */
export const word: Shape<string> = (value): value is string => typeof value === "string" && !/\p{Cs}/u.test(value);
export const truth: Shape<boolean> = (value) => typeof value === "boolean";
export const yes: Shape<true> = (value) => value === true;
export const no: Shape<false> = (value) => value === false;

/** A whole number up to `most`. */
export function upTo(most: number): Shape<number> {
  return (value): value is number => Number.isSafeInteger(value) && 0 <= (value as number) && (value as number) <= most;
}

export const u8: Shape<number> = upTo(0xff);
export const u16: Shape<number> = upTo(0xffff);
export const u32: Shape<number> = upTo(0xffff_ffff);
export const u64: Shape<number> = upTo(Number.MAX_SAFE_INTEGER);

/** So many bytes in lower-case hexadecimal. */
export function hex(bytes: number): Shape<string> {
  return (value): value is string => word(value) && value.length === 2 * bytes && /^[0-9a-f]*$/.test(value);
}

/** An identifier: a UUID in lower case, with hyphens. */
export const uuid: Shape<string> = (value): value is string =>
  word(value) && /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(value);

export const base64: Shape<string> = (value): value is string => {
  if (!word(value)) return false;
  try {
    return toBase64(fromBase64(value)) === value;
  } catch (error) {
    if (error instanceof Malformed) return false;
    throw error;
  }
};

/** One of these words. */
export function among<T extends string>(...words: T[]): Shape<T> {
  return (value): value is T => words.some((known) => known === value);
}

export function list<T>(each: Shape<T>): Shape<T[]> {
  return (value): value is T[] => Array.isArray(value) && value.every(each);
}

/** Exactly these members, in this order: what is written in one way alone has one hash. */
export function members<T>(shape: { [K in keyof T]: Shape<T[K]> }): Shape<T> {
  const names = Object.keys(shape);
  const some = membersInAnyOrder<T>(shape);
  return (value): value is T => some(value) && Object.keys(value as object).every((name, at) => name === names[at]);
}

/** Exactly these members. */
export function membersInAnyOrder<T>(shape: { [K in keyof T]: Shape<T[K]> }): Shape<T> {
  const names = Object.keys(shape) as (keyof T & string)[];
  return (value): value is T => {
    if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
    const said = value as Record<string, unknown>;
    return Object.keys(said).length === names.length && names.every((name) => Object.hasOwn(said, name) && shape[name](said[name]));
  };
}

/** Any names, and under each of them this. */
export function named<T>(each: Shape<T>): Shape<Record<string, T>> {
  return (value): value is Record<string, T> =>
    typeof value === "object" && value !== null && !Array.isArray(value) && Object.values(value).every(each);
}

/** One or the other. */
export function either<A, B>(one: Shape<A>, other: Shape<B>): Shape<A | B> {
  return (value): value is A | B => one(value) || other(value);
}

export const nothing: Shape<null> = (value) => value === null;
