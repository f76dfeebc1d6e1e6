import { expect, test } from "vitest";
import type { Config, Status } from "../src/contract";
import { en } from "../src/i18n/en";
import { Format } from "../src/i18n/format";
import { ru } from "../src/i18n/ru";
import { bandsOf, scaleOf, spread } from "../src/logic/bands";
import { decisive, next, why } from "../src/logic/why";

const config: Config = {
  time: { allowed_lateness: 5000 },
  defaults: {
    statistic: "mean",
    window: 30_000,
    slide: 1000,
    fast_window: 3000,
    fast_min_points: 3,
    min_points: 2,
    hysteresis: 0.02,
    for: { P0: 0, P1: 2000, P2: 5000 },
    clear_for: 10_000,
    missing_after: 30_000,
    stuck_after: 600_000,
  },
  metrics: {
    clarity: {
      values: [0, 1],
      range: [0.7, 0.9],
      optimal: [0.75, 0.85],
      low: { P2: 0.7, P1: 0.65, P0: 0.5 },
      high: { P2: 0.85, P1: 0.9, P0: 0.95 },
    },
    chaos: {
      values: [0, 1],
      low: { P2: 0.3, P1: 0.25, P0: 0.1 },
      high: { P2: 0.6, P1: 0.7, P0: 0.8 },
    },
    trust: { values: [0, 1], high: { P2: 0.9, P1: 0.95, P0: null } },
  },
};
const e = { t: en, f: new Format(en, "UTC") };
const r = { t: ru, f: new Format(ru, "UTC") };

function status(over: Partial<Status>): Status {
  return {
    namespace: "iskra",
    id: "7-1-0-0-x",
    tenant: "default",
    subject: "alpha",
    metric: "chaos",
    level: "OK",
    priority: null,
    reason: null,
    previous: { level: "OK", priority: null, since: 0 },
    value: 0.45,
    fast_value: null,
    statistic: "mean",
    window_ms: 30_000,
    bound: null,
    side: null,
    since: 1_000,
    evidence: { count: 298, late: 0, topic: "t", partition: 7, first_offset: 1, last_offset: 2, rungs: [] },
    config: "9f31c2",
    ...over,
  };
}

const entered = (side: "low" | "high", priority: "P0" | "P1" | "P2", bound: number) => ({
  count: 30,
  late: 0,
  topic: "t",
  partition: 7,
  first_offset: 1,
  last_offset: 2,
  rungs: [{ side, priority, bound, entered: true, since: null }],
});

test("a bound that was crossed is told with the mean, the bound and how long it lasted", () => {
  const block = status({ level: "BLOCK", priority: "P1", value: 0.241, bound: 0.25, side: "low" });
  expect(why(block, config, e)).toBe(
    "The 30 s mean fell to **0.241**, under the bound **0.25**, and stayed there for 2 s.",
  );
  expect(why(block, config, r)).toBe(
    "Среднее за 30 с упало до **0,241**, ниже границы **0,25**, и оставалось там 2 с.",
  );
});

test("a crisis seen by the fast mean names that mean", () => {
  const p0 = status({ level: "BLOCK", priority: "P0", value: 0.495, fast_value: 0.9, bound: 0.8, side: "high" });
  expect(why(p0, config, e)).toBe(
    "The 3 s mean rose to **0.900**, over the bound **0.8**. At this bound nothing is waited for.",
  );
  expect(decisive(p0, config.defaults)).toEqual({ window: 3_000, value: 0.9, fast: true });
});

test("where the slow mean is beyond, too, or no crisis is meant, the slow one decided", () => {
  const slow = { window: 30_000, fast: false };
  const both = status({ level: "BLOCK", priority: "P0", value: 0.85, fast_value: 0.9, bound: 0.8, side: "high" });
  expect(decisive(both, config.defaults)).toEqual({ ...slow, value: 0.85 });
  const kept = status({ level: "BLOCK", priority: "P0", value: 0.79, fast_value: 0.79, bound: 0.8, side: "high" });
  expect(decisive(kept, config.defaults)).toEqual({ ...slow, value: 0.79 });
  const p1 = status({ level: "BLOCK", priority: "P1", value: 0.69, fast_value: 0.9, bound: 0.7, side: "high" });
  expect(decisive(p1, config.defaults)).toEqual({ ...slow, value: 0.69 });
  expect(decisive(status({ fast_value: 0.5 }), config.defaults)).toEqual({ ...slow, value: 0.45 });
});

test("a step down tells the edge that was kept to, and the bound that still holds", () => {
  const down = status({
    metric: "clarity",
    level: "WARN",
    priority: "P2",
    value: 0.844,
    bound: 0.85,
    side: "high",
    previous: { level: "BLOCK", priority: "P1", since: 0 },
    evidence: entered("high", "P1", 0.9),
  });
  expect(why(down, config, e)).toBe(
    "The 30 s mean came back to **0.844**: for 10 s it was at most **0.88** (the bound 0.9 less its margin). " +
      "It has not left the next bound, **0.85**, on the high side.",
  );
});

test("a recovery tells the edge inside the bound", () => {
  const ok = status({
    value: 0.34,
    previous: { level: "WARN", priority: "P2", since: 0 },
    evidence: entered("low", "P2", 0.3),
  });
  expect(why(ok, config, e)).toBe(
    "The 30 s mean came back to **0.340**: for 10 s it was at least **0.32** (the bound 0.3 and its margin).",
  );
});

test("after UNKNOWN it is told whether the level from before stands", () => {
  const gap = { level: "UNKNOWN", priority: null, since: 0 } as const;
  const frozen = status({
    level: "WARN",
    priority: "P2",
    value: 0.8,
    metric: "clarity",
    bound: 0.85,
    side: "high",
    previous: gap,
    evidence: entered("high", "P2", 0.85),
  });
  expect(why(frozen, config, e)).toContain("The level from before stands");
  const ok = status({ previous: gap, value: 0.8, evidence: { ...entered("high", "P2", 0.85), count: 2, rungs: [] } });
  expect(why(ok, config, e)).toBe(
    "There are enough points to judge: the mean of 2 points is **0.800**, and no bound was crossed.",
  );
});

test.each([
  ["missing", "No point for **30 s**: what the metric does now, nobody can tell."],
  ["sparse", "Only **1** point in the last 30 s; at least 2 are needed."],
  ["late", "More than half of the points came too late to count: **4** late, 1 on time."],
  ["stuck", "The same value, **0.450**, for 10 min on end: whatever measures it seems stuck."],
  ["impossible", "More than a tenth of the points were **refused** as impossible."],
] as const)("UNKNOWN %s is told in plain words", (reason, sentence) => {
  const evidence = { ...entered("low", "P2", 0.3), count: 1, late: 4 };
  expect(why(status({ level: "UNKNOWN", reason, evidence }), config, e)).toBe(sentence);
});

test("what did not happen is told, too: the end of this level and the next one outward", () => {
  const warn = status({ metric: "clarity", level: "WARN", priority: "P2", value: 0.866, bound: 0.85, side: "high" });
  expect(next(warn, config, e)).toEqual([
    "It ends when the mean is at most 0.83 for 10 s.",
    "BLOCK P1 follows when the mean is over 0.9 for 2 s.",
  ]);
  const worst = status({ metric: "trust", level: "BLOCK", priority: "P1", bound: 0.95, side: "high" });
  expect(next(worst, config, e)).toEqual(["It ends when the mean is at most 0.93 for 10 s."]);
  expect(next(status({}), config, e)).toEqual(["WARN P2 follows when the mean is under 0.3 or over 0.6 for 5 s."]);
});

test("the bands are optimal, WARN, BLOCK and crisis on both sides; a side without a bound has none", () => {
  const clarity = bandsOf(config.metrics.clarity ?? {});
  expect(clarity).toContainEqual({ kind: "warn", from: 0.65, to: 0.7 });
  expect(clarity).toContainEqual({ kind: "crisis", from: -Infinity, to: 0.5 });
  expect(clarity).toContainEqual({ kind: "block", from: 0.9, to: 0.95 });
  expect(clarity).toContainEqual({ kind: "optimal", from: 0.75, to: 0.85 });
  const trust = bandsOf(config.metrics.trust ?? {});
  expect(trust).toEqual([
    { kind: "warn", from: 0.9, to: 0.95 },
    { kind: "block", from: 0.95, to: Infinity },
  ]);
});

test("the scale shows all bounds, widens for the data and never leaves the legal values", () => {
  const metric = config.metrics.clarity;
  const calm = scaleOf(metric, 0.78, 0.82);
  expect(calm.lo).toBeLessThan(0.5);
  expect(calm.hi).toBeGreaterThan(0.95);
  expect(scaleOf(metric, 0.2, 0.8).lo).toBeLessThanOrEqual(0.2);
  expect(scaleOf(metric, 0, 1)).toEqual({ lo: 0, hi: 1 });
  const free = scaleOf(undefined, 120, 180);
  expect(free.lo).toBeLessThanOrEqual(120);
  expect(free.hi).toBeGreaterThanOrEqual(180);
});

test("labels that would touch are thinned out, the weightier ones stay", () => {
  const kept = spread(
    [
      { at: 10, weight: 1 },
      { at: 14, weight: 3 },
      { at: 40, weight: 2 },
    ],
    11,
  );
  expect(kept.map((l) => l.at)).toEqual([14, 40]);
});
