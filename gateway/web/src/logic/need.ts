/**
 * Those in need first: BLOCK by priority, WARN, UNKNOWN, OK. An alert that fires counts like the level that it was
 * raised for: a subject that falls silent amid a crisis is UNKNOWN, and its crisis is not over.
 */

import type { Level, Priority } from "../contract";

export interface Need {
  /** 0 is the greatest need; see `rank`. */
  rank: number;
  level: Level | null;
  priority: Priority | null;
  /** Since when the worst of its metrics is there (ms of subject time). */
  since: number;
  /** The worst alert that fires, where it asks for more than the level does. */
  alert: Priority | null;
}

export const RANK_UNKNOWN = 4;
export const RANK_OK = 5;
export const NO_NEED: Need = { rank: 6, level: null, priority: null, since: 0, alert: null };
/** An alert by its priority. P2 may be about the silence itself, so with it one stands before the UNKNOWN, not among the WARN. */
const RANK_ALERT = { P0: 0, P1: 1, P2: 3.5 } as const;

export function rank(level: Level | null, priority: Priority | null): number {
  switch (level) {
    case "BLOCK":
      return priority === "P0" ? 0 : priority === "P1" ? 1 : 2;
    case "WARN":
      return 3;
    case "UNKNOWN":
      return RANK_UNKNOWN;
    case "OK":
      return RANK_OK;
    default:
      return 6;
  }
}

interface Standing {
  level: Level;
  priority: Priority | null;
  since: number;
  previous?: { level: Level; priority: Priority | null; since: number } | null;
}

/**
 * A subject is as needy as the worst of its metrics, for as long as the first of these has been.
 *
 * @param alert priority of the worst alert that fires
 */
export function needOf(statuses: Iterable<Standing>, alert: Priority | null = null): Need {
  const all = [...statuses];
  const need = worstOf(all);
  if (alert === null || RANK_ALERT[alert] >= need.rank) return need;
  // The level that raised it stands before the one that hides it; of other alerts the list does not know when they began.
  const raised = all.flatMap(({ previous }) => (previous?.priority === alert ? [previous.since] : []));
  const since = raised.length ? Math.min(...raised) : Math.max(need.since, ...all.map((status) => status.since));
  return { ...need, rank: RANK_ALERT[alert], since, alert };
}

function worstOf(statuses: Standing[]): Need {
  let need = NO_NEED;
  for (const { level, priority, since } of statuses) {
    const at = rank(level, priority);
    if (at < need.rank) need = { rank: at, level, priority, since, alert: null };
    else if (at === need.rank && since < need.since) need = { ...need, since };
  }
  return need;
}

interface Sortable {
  need: Need;
  name: string;
}

/**
 * Order of the list. Of equal need the one that has waited longest stands first; among the healthy, the one that
 * changed last, since a recovery is the news there. Names settle the rest, so that the list never shuffles by itself.
 */
export function byNeed(a: Sortable, b: Sortable): number {
  if (a.need.rank !== b.need.rank) return a.need.rank - b.need.rank;
  const age = a.need.since - b.need.since;
  if (age !== 0) return a.need.rank < RANK_OK ? age : -age;
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}

export function inNeed(need: Pick<Need, "rank">): boolean {
  return need.rank < RANK_OK;
}

/** Whether a subject is looked for by `query`: every word of it occurs in the name, whatever the case. */
export function matches(name: string, query: string): boolean {
  const lower = name.toLocaleLowerCase();
  return query
    .toLocaleLowerCase()
    .split(/\s+/)
    .every((word) => lower.includes(word));
}
