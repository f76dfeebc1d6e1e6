/** The rules of the voices as the page needs them: which terms hold, and how near a rule is to being true. */

import type { Living, TermValue } from "../life";

export type Sign = ">" | ">=" | "<" | "<=" | "==" | "!=";

export interface Term {
  kind: "term";
  signal: string;
  /** Null: a yes-or-no signal by itself. */
  sign: Sign | null;
  limit: number;
}

export type Node = Term | { kind: "and" | "or"; parts: Node[] } | { kind: "not"; part: Node };

const UNITS: Record<string, number> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const TOKEN =
  /\s*(?:(duration\(\s*["']([\d.]+)\s*(ms|s|m|h|d)["']\s*\))|(>=|<=|==|!=|>|<|\(|\))|([a-z_]\w*)|(-?[\d.]+(?:e[+-]?\d+)?))/iy;
const MIRRORED: Record<Sign, Sign> = { ">": "<", ">=": "<=", "<": ">", "<=": ">=", "==": "==", "!=": "!=" };

type Token = { sign: string } | { name: string } | { number: number };

function tokens(text: string): Token[] | null {
  const found: Token[] = [];
  TOKEN.lastIndex = 0;
  const whole = text.trim();
  while (TOKEN.lastIndex < whole.length) {
    const match = TOKEN.exec(whole);
    if (!match) return null;
    const [, duration, amount, unit, sign, name, number] = match;
    if (duration) found.push({ number: Number(amount) * (UNITS[unit ?? ""] ?? 1) });
    else if (sign) found.push({ sign });
    else if (name) found.push({ name });
    else found.push({ number: Number(number) });
  }
  return found;
}

/** Reads a rule; null: it holds something that the page does not know (the engine has read it all the same). */
export function parse(text: string): Node | null {
  const all = tokens(text);
  if (!all) return null;
  let at = 0;
  const isName = (name: string) => {
    const token = all[at];
    return token !== undefined && "name" in token && token.name === name;
  };
  const sign = (): string | null => {
    const token = all[at];
    return token !== undefined && "sign" in token ? token.sign : null;
  };
  const chain = (kind: "and" | "or", part: () => Node | null): Node | null => {
    const first = part();
    if (!first) return null;
    const parts = [first];
    while (isName(kind)) {
      at += 1;
      const following = part();
      if (!following) return null;
      parts.push(following);
    }
    return parts.length > 1 ? { kind, parts } : first;
  };
  const either = (): Node | null => chain("or", both);
  const both = (): Node | null => chain("and", negated);
  const negated = (): Node | null => {
    if (!isName("not")) return one();
    at += 1;
    const part = negated();
    return part && { kind: "not", part };
  };
  const one = (): Node | null => {
    if (sign() === "(") {
      at += 1;
      const inner = either();
      if (!inner || sign() !== ")") return null;
      at += 1;
      return inner;
    }
    const left = all[at];
    at += 1;
    const compared = sign();
    if (compared === null || compared === ")" || compared === "(") {
      return left && "name" in left ? { kind: "term", signal: left.name, sign: null, limit: 0 } : null;
    }
    at += 1;
    const right = all[at];
    at += 1;
    const how = compared as Sign;
    if (left && right && "name" in left && "number" in right)
      return { kind: "term", signal: left.name, sign: how, limit: right.number };
    if (left && right && "number" in left && "name" in right)
      return { kind: "term", signal: right.name, sign: MIRRORED[how], limit: left.number };
    return null;
  };
  const found = either();
  return found && at === all.length ? found : null;
}

export type Values = (signal: string) => number | null;

export function holds(term: Term, value: number): boolean {
  switch (term.sign) {
    case ">":
      return value > term.limit;
    case ">=":
      return value >= term.limit;
    case "<":
      return value < term.limit;
    case "<=":
      return value <= term.limit;
    case "==":
      return value === term.limit;
    case "!=":
      return value !== term.limit;
    default:
      return value !== 0;
  }
}

/** How far a rule is from true, and the terms that are missing; null: it cannot become true by numbers that are known. */
interface Missing {
  distance: number;
  terms: { term: Term; value: number }[];
}

function missing(node: Node, values: Values): Missing | null {
  if (node.kind === "not") return null;
  if (node.kind === "term") {
    const value = values(node.signal);
    if (value === null) return null;
    if (holds(node, value)) return { distance: 0, terms: [] };
    if (node.sign === null || node.sign === "==" || node.sign === "!=") return null;
    const gap = Math.abs(value - node.limit);
    // Shares are a distance by themselves; a time or a count is one of its limit.
    return { distance: Math.abs(node.limit) > 1 ? gap / Math.abs(node.limit) : gap, terms: [{ term: node, value }] };
  }
  const parts = node.parts.map((part) => missing(part, values));
  if (node.kind === "or") {
    return parts.reduce((best, part) => (part && (!best || part.distance < best.distance) ? part : best), null);
  }
  const known = parts.filter((part) => part !== null);
  if (known.length < parts.length) return null;
  return { distance: known.reduce((sum, part) => sum + part.distance, 0), terms: known.flatMap((part) => part.terms) };
}

export interface Near {
  voice: string;
  terms: { term: Term; value: number }[];
  distance: number;
}

/** Farther than this nothing is near. */
const NEAR = 0.1;

/** The silent voices that would follow soonest, nearest first. */
export function nearest(voices: Living["voices"], busy: ReadonlySet<string>, values: Values): Near[] {
  const found: Near[] = [];
  for (const [voice, { activate }] of Object.entries(voices.voices)) {
    if (busy.has(voice)) continue;
    let best: Missing | null = null;
    for (const { when } of activate) {
      const node = parse(when);
      const gap = node && missing(node, values);
      if (gap && (!best || gap.distance < best.distance)) best = gap;
    }
    // What holds but does not speak is held back by a cool-down; that is told by the engine, not guessed here.
    if (best && best.distance > 0 && best.distance <= NEAR) found.push({ voice, ...best });
  }
  return found.sort((a, b) => a.distance - b.distance);
}

/** The terms of an event that made its rule true. */
export function carrying(terms: TermValue[]): { term: Term; value: number }[] {
  return terms.flatMap(({ term, holds: held, value }) => {
    const node = held && value !== null ? parse(term) : null;
    return node?.kind === "term" && value !== null ? [{ term: node, value }] : [];
  });
}
