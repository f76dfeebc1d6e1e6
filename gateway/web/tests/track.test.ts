import { expect, test } from "vitest";
import { Track } from "../src/logic/track";

function filled(values: [second: number, value: number][]): Track {
  const track = new Track();
  for (const [second, value] of values) track.add(second * 1000, value);
  return track;
}

const span = (from: number, to: number, value: number): [number, number][] =>
  Array.from({ length: to - from + 1 }, (_, i) => [from + i, value]);

test("the line is the judged mean: the second of the point and the 29 whole seconds before it", () => {
  // 0.80 until 29, 0.92 from 30 on: at the end of second 46 seventeen of thirty are 0.92.
  const track = filled([...span(0, 29, 0.8), ...span(30, 59, 0.92)]);
  expect(track.mean(46, 30)).toBeCloseTo((17 * 0.92 + 13 * 0.8) / 30, 12);
  expect(track.mean(59, 30)).toBeCloseTo(0.92, 12);
});

test("the running line equals the mean computed anew at every second", () => {
  const track = filled([...span(0, 20, 0.3), ...span(35, 60, 0.7), [60, 0.1], [61, 0.9]]);
  const curve = track.curve(0, 80, 30);
  expect(curve.mean).toHaveLength(81);
  curve.mean.forEach((mean, second) => {
    const anew = track.mean(second, 30);
    if (anew === null) expect(mean).toBeNull();
    else expect(mean).toBeCloseTo(anew, 9);
  });
});

test("a second without points has no grey point, and the line ends when its window is empty", () => {
  const curve = filled(span(0, 9, 0.5)).curve(0, 60, 30);
  expect(curve.raw[9]).toBe(0.5);
  expect(curve.raw[10]).toBeNull();
  expect(curve.mean[38]).toBe(0.5);
  expect(curve.mean[39]).toBeNull();
});

test("several points of one second show their mean, least and greatest", () => {
  const track = new Track();
  for (const [ts, value] of [
    [5_000, 0.2],
    [5_300, 0.6],
    [5_900, 0.4],
  ] as const)
    track.add(ts, value);
  const curve = track.curve(5, 5, 30);
  expect([curve.lo[0], curve.hi[0]]).toEqual([0.2, 0.6]);
  expect(curve.raw[0]).toBeCloseTo(0.4, 12);
  expect(curve.x[0]).toBe(5.9);
});

test("where the store and the live points tell of one second, the fuller account counts, and none twice", () => {
  const track = filled([[10, 0.9]]);
  track.load([
    [9_000, 0.5, 0.4, 0.6, 2],
    [10_000, 0.7, 0.5, 0.9, 3],
    [11_000, 0.1, 0.1, 0.1, 1],
  ]);
  track.add(11_000, 0.2);
  track.add(11_500, 0.4);
  expect(track.at(10)).toMatchObject({ count: 3 });
  expect(track.at(11)).toMatchObject({ count: 2, min: 0.2 });
  expect(track.mean(11, 30)).toBeCloseTo((2 * 0.5 + 3 * 0.7 + 0.2 + 0.4) / 7, 12);
});

test("points out of order fall into their own second and do not turn back the newest", () => {
  const track = filled([
    [12, 0.6],
    [10, 0.2],
  ]);
  expect(track.newest).toBe(12_000);
  expect(track.last).toBe(0.6);
  expect(track.at(10)?.sum).toBe(0.2);
});

test("what is past is forgotten", () => {
  const track = filled(span(0, 99, 0.5));
  track.trim(90);
  expect(track.size).toBe(10);
  expect(track.at(89)).toBeUndefined();
});
