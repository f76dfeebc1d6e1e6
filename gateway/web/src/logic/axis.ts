/** The one time axis that all lines of a subject share. */

/** How much of the past is shown (s). */
export const SPAN = 720;

export interface Tick {
  /** Where, from 0 (left) to 1 (right). */
  at: number;
  /** ms */
  ts: number;
}

/** Whole multiples of two minutes between `end - SPAN` and `end` (s), none at the left edge, nor in the `room` at the right. */
export function ticks(end: number, room = 0.11, every = 120): Tick[] {
  const start = end - SPAN;
  const found: Tick[] = [];
  for (let t = Math.ceil(start / every) * every; t < end; t += every) {
    const at = (t - start) / SPAN;
    if (at > 0.035 && at < 1 - room) found.push({ at, ts: t * 1000 });
  }
  return found;
}
