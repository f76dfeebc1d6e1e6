import { expect, test } from "vitest";
import type { Config } from "../src/contract";
import { coherence, deltaRhythm, heartbeat, type Means, stateOf, vitality, volatility } from "../src/logic/vitals";

const config = {
  metrics: {
    clarity: { range: [0.7, 0.9], optimal: [0.75, 0.85], target: 0.8 },
    chaos: { range: [0.3, 0.6], optimal: [0.4, 0.5], target: 0.45 },
    trust: { range: [0.6, 0.9], optimal: [0.75, 0.9], target: 0.8 },
    pain: { range: [0.2, 0.5], optimal: [0.2, 0.4], target: 0.3 },
  },
} as unknown as Config;

const means = (clarity: number, chaos: number, trust: number, pain: number): Means => ({ clarity, chaos, trust, pain });

test("the heart beats 60 + 60 × volatility a minute, within 40 and 180", () => {
  const moved = volatility(means(0.8, 0.4, 0.8, 0.3), means(0.6, 0.4, 0.8, 0.3));
  expect(moved).toBeCloseTo(0.1, 12);
  expect(heartbeat(moved ?? 0)).toBeCloseTo(66, 9);
  expect(heartbeat(3)).toBe(180);
});

test("on target everything is coherent and vital; half a range away a metric counts for nothing", () => {
  const target = means(0.8, 0.45, 0.8, 0.3);
  expect(coherence(target, config)).toBeCloseTo(1, 12);
  expect(vitality(target, config)).toBeCloseTo(1, 12);
  expect(coherence(means(0.95, 0.45, 0.8, 0.3), config)).toBeCloseTo(0.75, 12);
  expect(vitality(means(0.9, 0.45, 0.8, 0.3), config)).toBeCloseTo(1 - 0.5 / 4, 12);
});

test("with a vital missing nothing about the whole is claimed", () => {
  const lacking: Means = { ...means(0.8, 0.45, 0.8, 0.3), pain: null };
  expect(stateOf(lacking)).toBeNull();
  expect(coherence(lacking, config)).toBeNull();
  expect(vitality(lacking, config)).toBeNull();
  expect(volatility(lacking, lacking)).toBeNull();
  expect(deltaRhythm([lacking], 0, 0)).toBeNull();
});

test.each([
  [means(0.5, 0.5, 0.4, 0.7), "crisis"],
  [means(0.5, 0.75, 0.6, 0.3), "chaotic creation"],
  [means(0.88, 0.13, 0.75, 0.25), "crystallisation"],
  [means(0.8, 0.45, 0.85, 0.25), "harmonious flow"],
  [means(0.75, 0.45, 0.75, 0.35), "creative tension"],
  [means(0.65, 0.65, 0.75, 0.35), "transitional"],
])("the named state is the first that fits (%o: %s)", (m, state) => {
  expect(stateOf(m)).toBe(state);
});

test("the ∆-rhythm of a steady subject is its weighted sum, and a jump of chaos is a penalty", () => {
  const steady = Array.from({ length: 60 }, () => means(0.8, 0.45, 0.8, 0.3));
  const expected = 100 * (0.35 * 0.8 + 0.25 * 0.8 + 0.15 * 0.7 + 0.12 + 0.13 * 0.55);
  expect(deltaRhythm(steady, 0, 0)).toBeCloseTo(expected, 9);
  const jump = deltaRhythm([...steady, means(0.8, 0.85, 0.8, 0.3)], 0, 0);
  expect(jump).toBeLessThan(expected - 5);
});
