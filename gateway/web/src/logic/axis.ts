/** The one time axis that all lines of a subject share. */

/** How much of the past is kept and, once there is so much, shown (s). */
export const SPAN = 720;

/** A young subject's axis is shorter, so that its first minutes are not squeezed into a corner: spans and their marks (s). */
const SPANS = [
  { span: 120, every: 30 },
  { span: 240, every: 60 },
  { span: 480, every: 120 },
  { span: SPAN, every: 120 },
] as const;

/** The least span that shows all of `age` (s), with some room to grow. */
export function spanFor(age: number): number {
  return SPANS.find(({ span }) => age <= span - 10)?.span ?? SPAN;
}

export interface Tick {
  /** Where, from 0 (left) to 1 (right). */
  at: number;
  /** ms */
  ts: number;
}

/** Whole multiples of half a minute to two between `end - span` and `end` (s), none at the left edge, nor in the `room` at the right. */
export function ticks(end: number, span = SPAN, room = 0.22): Tick[] {
  const start = end - span;
  const every = SPANS.find((s) => s.span === span)?.every ?? 120;
  const found: Tick[] = [];
  for (let t = Math.ceil(start / every) * every; t < end; t += every) {
    const at = (t - start) / span;
    if (at > 0.035 && at < 1 - room) found.push({ at, ts: t * 1000 });
  }
  return found;
}
