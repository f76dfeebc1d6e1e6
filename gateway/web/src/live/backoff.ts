/** When to try again after a cut: at once is too often for a gateway that restarts, a minute too rare for a person who waits. */

const FIRST = 250;
const LAST = 5_000;

/**
 * Milliseconds to wait before attempt `attempt` (0 = the first after the cut): doubling from 250 ms to 5 s, spread by
 * ±25 % (`random` in [0, 1)) so that a thousand pages do not come back in one moment.
 */
export function backoff(attempt: number, random: number): number {
  const base = Math.min(LAST, FIRST * 2 ** Math.min(attempt, 10));
  return Math.round(base * (0.75 + random * 0.5));
}
