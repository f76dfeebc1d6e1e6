import { expect, test } from "vitest";
import { unjudgedSince, Windows } from "../src/logic/judged";

const SIZE = 10_000;
const LATENESS = 5_000;

/** Points every `every` ms of subject time, `speed` times as fast as ours; a window comes `delay` ms of our time after it is owed. */
function run(points: { every: number; speed: number; until: number; dies: number; delay?: number }): number | null {
  const { every, speed, until, dies, delay = 300 } = points;
  const windows = new Windows();
  windows.hear(1);
  const coming: { at: number; end: number }[] = [];
  const seen = new Set<number>();
  let found: number | null = null;
  for (let ts = 0; ts < until; ts += every) {
    const now = ts / speed;
    for (const { at, end } of coming) if (at <= now) windows.hear(end);
    windows.add(ts, SIZE);
    seen.add((Math.floor(ts / SIZE) + 1) * SIZE);
    windows.close(ts, LATENESS, () => now);
    for (const end of seen) {
      if (end + LATENESS > ts) continue;
      seen.delete(end);
      if (ts < dies) coming.push({ at: now + delay, end });
    }
    found = windows.unjudged(now);
    if (ts < dies && found !== null) throw new Error(`grey at ${ts} though all is well`);
  }
  return found;
}

const ALIVE = Number.POSITIVE_INFINITY;

test("while windows come nothing is grey: each second, once a minute, sixty and a thousand times as fast", () => {
  expect(run({ every: 1_000, speed: 1, until: 300_000, dies: ALIVE })).toBeNull();
  expect(run({ every: 60_000, speed: 1, until: 3_600_000, dies: ALIVE })).toBeNull();
  expect(run({ every: 1_000, speed: 60, until: 3_600_000, dies: ALIVE })).toBeNull();
  expect(run({ every: 1_000, speed: 1_000, until: 36_000_000, dies: ALIVE })).toBeNull();
});

test("points go on and no window comes: from the last one on nobody judges", () => {
  expect(run({ every: 1_000, speed: 1, until: 130_000, dies: 101_000 })).toBe(80_000 + 10_000);
  expect(run({ every: 1_000, speed: 60, until: 2_000_000, dies: 1_000_500 })).toBe(990_000);
});

test("a dead worker is told within twenty seconds, and not before a restart could be over", () => {
  expect(run({ every: 1_000, speed: 1, until: 119_000, dies: 100_000 })).not.toBeNull();
  expect(run({ every: 1_000, speed: 1, until: 108_000, dies: 104_000 })).toBeNull();
});

test("a silent subject owes nothing: the window of its last points ends only with later ones, or with ticks", () => {
  const windows = new Windows();
  windows.hear(1);
  for (let ts = 0; ts < 12_000; ts += 1_000) windows.add(ts, SIZE);
  windows.close(11_000, LATENESS, () => 11_000);
  expect(windows.unjudged(3_600_000)).toBeNull();
});

test("who catches up is still behind until the windows that are long owed have come", () => {
  const owed = [10, 20, 30].map((s) => ({ end: s * 1_000, since: s * 1_000 + LATENESS }));
  expect(unjudgedSince(owed, 1, 40_000)).toBe(1);
  expect(unjudgedSince(owed, 20_000, 40_000)).toBe(20_000);
  expect(unjudgedSince(owed, 30_000, 40_000)).toBeNull();
});

test("of a subject of which nothing was ever written there is no level to grey out", () => {
  expect(unjudgedSince([{ end: 10_000, since: 0 }], 0, 60_000)).toBeNull();
});
